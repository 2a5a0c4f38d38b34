"""Bases: build, load in 4 bits, attach and reset a LoRA, run. The only importer of transformers, peft, bitsandbytes."""

from __future__ import annotations

import contextlib
import logging
import resource
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache

from solver.folding import FoldedLora, fold, frozen
from solver.grid import InputError
from solver.profiles import LoraSettings, Profile
from solver.training import Batch

log = logging.getLogger(__name__)

CHUNK = 128


class ChunkedCausalAttention(torch.autograd.Function):
    """Causal attention by blocks of queries, for training on a CPU.

    The same result as scaled_dot_product_attention(is_causal=True), in about 0.65 of its time forward and
    backward on bfloat16: plain matrix products use the processor's bf16 units, PyTorch's CPU kernel does not.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """query, key, value: [B, H, T, D], the same H."""
        shape = query.shape
        length, width = shape[2:]
        query = (query * scale).reshape(-1, length, width)
        key, value = key.reshape(-1, length, width), value.reshape(-1, length, width)
        future = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=query.device).triu(1)
        out = torch.empty_like(query)
        weights = []
        for start in range(0, length, CHUNK):
            end = min(length, start + CHUNK)
            scores = torch.bmm(query[:, start:end], key[:, :end].transpose(1, 2))
            scores[:, :, start:].masked_fill_(future[: end - start, : end - start], float("-inf"))
            weights.append(torch.softmax(scores, -1))
            out[:, start:end] = torch.bmm(weights[-1], value[:, :end])
        ctx.save_for_backward(query, key, value, *weights)
        ctx.scale = scale
        ctx.shape = shape
        return out.view(shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, *weights = ctx.saved_tensors
        length = query.shape[1]
        grad = grad.reshape(query.shape)
        grad_query, grad_key, grad_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for number, weight in enumerate(weights):
            start = number * CHUNK
            end = min(length, start + CHUNK)
            grad_chunk = grad[:, start:end]
            grad_value[:, :end].baddbmm_(weight.transpose(1, 2), grad_chunk)
            grad_weight = torch.bmm(grad_chunk, value[:, :end].transpose(1, 2))
            grad_scores = torch._softmax_backward_data(grad_weight, weight, -1, weight.dtype)
            grad_query[:, start:end] = torch.bmm(grad_scores, key[:, :end])
            grad_key[:, :end].baddbmm_(grad_scores.transpose(1, 2), query[:, start:end])
        grad_query *= ctx.scale
        return grad_query.view(ctx.shape), grad_key.view(ctx.shape), grad_value.view(ctx.shape), None


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: chunked where it wins (training on a CPU), PyTorch's own elsewhere."""
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    trains = torch.is_grad_enabled() and query.device.type == "cpu"
    if trains and attention_mask is None and query.shape[2] == key.shape[2]:
        groups = query.shape[1] // key.shape[1]
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        out = ChunkedCausalAttention.apply(  # type: ignore[no-untyped-call]
            query, repeat_kv(key, groups), repeat_kv(value, groups), scale
        )
        return out.transpose(1, 2), None
    out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    return out, None


ATTENTION = "chunked_causal"


def register_attention() -> str:
    """Makes the attention above known to transformers; returns its name for `attn_implementation`."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    return ATTENTION


def new_native(width: int, layers: int, feed_forward: int, vocabulary: int, seed: int) -> Any:
    """A fresh Qwen3-shaped causal LM (RMSNorm, rotary positions, QK-norm, SwiGLU), heads of 64, fp32.

    Output projections start at zero, so that the residual stream starts as the embedding alone.
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
        head_dim=64,
        intermediate_size=feed_forward,
        tie_word_embeddings=False,
        max_position_embeddings=1 << 16,
        use_cache=False,
        bos_token_id=None,
        eos_token_id=13,
        pad_token_id=14,
    )
    config._attn_implementation = register_attention()
    torch.manual_seed(seed)
    lm = Qwen3ForCausalLM(config)
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            if "embed_tokens" in name:
                weight.normal_(0, 0.5)
            elif name.endswith(("o_proj.weight", "down_proj.weight")) or "lm_head" in name:
                weight.zero_()
            elif weight.ndim == 2:
                weight.normal_(0, weight.shape[1] ** -0.5)
    return lm


def forward_hidden(lm: Any, ids: Tensor, positions: Tensor) -> Tensor:
    """Last hidden states [B, T, C] of right-padded sequences without a cache.

    The mask of ones matters: without one, transformers takes jumps in the positions for borders between packed
    sequences. Padding on the right needs no mask under causal attention.
    """
    out = lm.model(input_ids=ids, position_ids=positions, attention_mask=torch.ones_like(ids), use_cache=False)
    hidden: Tensor = out.last_hidden_state
    return hidden


def loss_sum(lm: Any, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross-entropy in nats over the batch's target tokens, and their number."""
    hidden = forward_hidden(lm, batch.ids, batch.positions)
    targets = batch.loss_mask[:, 1:]
    logits = lm.lm_head(hidden[:, :-1][targets]).float()
    loss = functional.cross_entropy(logits, batch.ids[:, 1:][targets], reduction="sum")
    return loss, int(targets.sum())


def read_weights(lm: Any, folder: Path) -> None:
    """Fills a model with a saved base's weights; raises `InputError` if they are not of its shape."""
    from safetensors.torch import load_file

    try:
        lm.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, RuntimeError) as error:
        raise InputError(f"{folder}: does not fit this model ({str(error).splitlines()[0]})") from None


def save_base(lm: Any, folder: Path, tokens: Sequence[str], position_scheme: str) -> None:
    """Writes config, weights in the model's own dtype (safetensors) and tokenizer, in transformers' layout."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    lm.config.use_cache = True
    lm.config.position_scheme = position_scheme
    lm.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, unk_token="<unused>"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex("<[a-z]+>|[0-9]"), "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<end>", unk_token="<unused>"
    ).save_pretrained(folder)


def save_random_llama(folder: Path, sizes: Mapping[str, int | bool], tokens: Sequence[str]) -> None:
    """A Llama of the given configuration with random bf16 weights and this kit's tokenizer: for benchmarks.

    To be run in a process of its own: it changes the default dtype, so that an 8B never exists in fp32.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**sizes, max_position_embeddings=1 << 16)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    save_base(LlamaForCausalLM(config), folder, tokens, "geometric")


class Quantize(Enum):
    """How the base's linear layers are stored."""

    NF4 = "nf4"
    NONE = "none"


def choose_device(name: str | None) -> torch.device:
    """The named device, or the first GPU that passes a real operation, or the CPU.

    A real operation, because a GPU too old for the installed PyTorch reports itself as available.
    """
    if name:
        try:
            device = torch.device(name)
            torch.zeros(1, device=device).add_(1).item()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise InputError(f"--device {name}: cannot be used ({str(error).splitlines()[0]})") from None
        return device
    if torch.cuda.is_available():
        try:
            torch.zeros(1, device="cuda").add_(1).item()
            return torch.device("cuda", 0)
        except RuntimeError as error:
            log.warning("the GPU is not usable, going on with the CPU: %s", str(error).splitlines()[0])
    return torch.device("cpu")


def native_dtype(device: torch.device) -> torch.dtype:
    """What the device multiplies natively: bf16 where it can, else fp16 on a GPU and fp32 on a CPU."""
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16
    has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.bfloat16 if has_bf16 else torch.float32


class SlotCache(DynamicCache):  # type: ignore[misc]
    """KV cache of a batch of right-padded prompts that is written in place, without copying what is there.

    After the prompts, row b's next token goes to slot lengths[b], over the padding; `mask` hides what lies beyond.
    Prompts then need no attention mask, and appending a token costs no concatenation.
    """

    def __init__(self, lengths: Tensor, capacity: int) -> None:
        super().__init__()
        self.slots = lengths - 1
        self.capacity = capacity
        self.filled = 0
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._rows = torch.arange(len(lengths), device=lengths.device)

    def advance(self) -> None:
        """Makes room for one more token of every row."""
        self.slots = self.slots + 1
        self.filled += 1

    def mask(self) -> Tensor:
        """[B, 1, 1, filled], True where a row's newest token may look."""
        return (torch.arange(self.filled, device=self.slots.device) <= self.slots[:, None])[:, None, None]

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """key, value: [B, H, T, D], T is the prompts' length once and 1 from then on."""
        if layer == len(self._keys):
            batch, heads, length, width = key.shape
            for store, new in ((self._keys, key), (self._values, value)):
                # Zeros: a slot that is masked but not yet written could hold NaN, which no mask hides.
                store.append(new.new_zeros(batch, heads, self.capacity, width))
                store[layer][:, :, :length] = new
            self.filled = length
            return key, value
        self._keys[layer][self._rows, :, self.slots] = key[:, :, 0]
        self._values[layer][self._rows, :, self.slots] = value[:, :, 0]
        return self._keys[layer][:, :, : self.filled], self._values[layer][:, :, : self.filled]

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        return self.filled

    def get_mask_sizes(self, query_length: Any, *_: Any, **__: Any) -> tuple[int, int]:
        length = query_length if isinstance(query_length, int) else len(query_length)
        return self.filled + length, 0


@dataclass(slots=True, eq=False)
class Base:
    """A loaded base with its LoRA attached.

    lm: a transformers causal LM whose linear layers carry the adapter; initial: the adapter's weights at birth.
    """

    lm: Any
    profile: Profile
    device: torch.device
    dtype: torch.dtype
    quantize: Quantize
    initial: dict[str, Tensor]
    folded: list[FoldedLora]
    checkpointing: bool = False

    def adapter(self) -> dict[str, nn.Parameter]:
        """The LoRA weights by name, live."""
        return {name: weight for name, weight in self.lm.named_parameters() if "lora_" in name}

    def parameters(self) -> int:
        """Parameters of the base, its LoRA not counted."""
        weights = (weight for name, weight in self.lm.named_parameters() if "lora_" not in name)
        # NF4 packs two weights into a byte; its quantisation state knows the real shape.
        return sum(int(getattr(weight, "quant_state", weight).shape.numel()) for weight in weights)

    def loss_scale(self) -> float:
        """What losses are multiplied by before the backward pass: fp16 would round small gradients to zero."""
        return 4096.0 if self.dtype == torch.float16 else 1.0

    def reset(self) -> None:
        """Back to the state after loading, bit for bit: adapter, gradients, checkpointing."""
        with torch.no_grad():
            for name, weight in self.adapter().items():
                weight.copy_(self.initial[name])
                weight.grad = None
        self.checkpoint_activations(False)

    def checkpoint_activations(self, on: bool) -> None:
        """Recompute activations in the backward pass: about a third slower, far less memory."""
        from transformers.modeling_layers import GradientCheckpointingLayer

        if on:
            self.lm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        elif self.checkpointing:
            self.lm.gradient_checkpointing_disable()
        self.checkpointing = on
        # Only in training mode do these layers recompute anything. Their own mode changes nothing else.
        for layer in self.lm.modules():
            if isinstance(layer, GradientCheckpointingLayer):
                layer.training = on

    def recover(self) -> None:
        """Frees what a failed job may have left behind."""
        self.reset()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def loss_sum(self, batch: Batch) -> tuple[Tensor, int]:
        return loss_sum(self.lm, batch)

    def next_logits(self, ids: Tensor, positions: Tensor, cache: SlotCache) -> Tensor:
        """Logits [B, V] after the prompts [B, T] (first call), or after one more token [B, 1] of every row."""
        if cache.filled == 0:
            mask, last = torch.ones_like(ids), cache.slots
        else:
            cache.advance()
            mask, last = cache.mask(), torch.zeros_like(cache.slots)
        out = self.lm.model(
            input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True
        )
        hidden_BC = out.last_hidden_state[torch.arange(len(ids), device=ids.device), last]
        logits: Tensor = self.lm.lm_head(hidden_BC)
        return logits

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """Inside, the adapter must not change and no gradient is recorded."""
        with torch.inference_mode(), frozen(self.folded):
            yield


def load_base(profile: Profile, device: torch.device, quantize: Quantize, dtype: torch.dtype | None = None) -> Base:
    """Loads the profile's base and attaches a LoRA. Raises `InputError` if the files do not make a model."""
    dtype = dtype or native_dtype(device)
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": register_attention()}
    if quantize is Quantize.NF4:
        if config := _nf4(dtype):
            options["quantization_config"] = config
        else:
            quantize = Quantize.NONE
    lm = _read_model(profile.folder, options, device)
    lm.requires_grad_(False)
    lm.config.use_cache = True
    attach_lora(lm, profile.lora)
    _keep_unpacked(lm)
    folded = fold(lm, dense_weight, dtype) if profile.small else []
    initial = {name: weight.detach().clone() for name, weight in lm.named_parameters() if "lora_" in name}
    return Base(lm, profile, device, dtype, quantize, initial, folded)


def _nf4(dtype: torch.dtype) -> Any:
    """bitsandbytes' NF4 with double quantisation, or None with a warning where it is not installed."""
    from transformers import BitsAndBytesConfig

    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        log.warning("bitsandbytes is not installed: the base is loaded in %s instead of NF4", dtype)
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _read_model(folder: Path, options: dict[str, Any], device: torch.device) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            lm, info = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, device_map={"": device}, output_loading_info=True, **options
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{folder}: cannot be loaded as a causal LM ({str(error).splitlines()[0]})") from None
    # transformers would go on with random values in their place.
    if missing := sorted(info["missing_keys"]):
        raise InputError(f"{folder}: {len(missing)} weights are missing, the first is {missing[0]}")
    return lm


def attach_lora(lm: Any, settings: LoraSettings) -> None:
    """Adds an fp32 LoRA in place to every target layer; its contribution starts at zero."""
    from peft import LoraConfig, inject_adapter_in_model

    targets = settings.targets
    if targets == "all-linear":
        head = lm.get_output_embeddings()
        linear = (nn.Linear, _linear4bit())
        targets = tuple(name for name, layer in lm.named_modules() if isinstance(layer, linear) and layer is not head)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        use_rslora=settings.rank_stabilised,
        target_modules=list(targets),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(0)
    inject_adapter_in_model(config, lm)
    for name, weight in lm.named_parameters():
        if "lora_" in name:
            weight.data = weight.data.float()
            weight.requires_grad_(True)


def _linear4bit() -> type[nn.Module]:
    try:
        from bitsandbytes.nn import Linear4bit
    except ImportError:
        return nn.Linear
    return Linear4bit  # type: ignore[no-any-return]


def _keep_unpacked(lm: Any) -> None:
    """Keeps 4-bit layers in training mode for good.

    In evaluation mode on AVX512-BF16 processors, bitsandbytes repacks them for inference at the first forward:
    values shift, and from then on gradients no longer pass through. The mode changes nothing else in them.
    """
    for layer in lm.modules():
        if isinstance(layer, _linear4bit()):
            layer.training = True


def dense_weight(layer: nn.Module) -> Tensor:
    """A linear layer's weight [out, in] in fp32, dequantised if need be."""
    weight: Any = layer.weight
    if hasattr(weight, "quant_state"):
        from bitsandbytes.functional import dequantize_4bit

        weight = dequantize_4bit(weight.data, weight.quant_state)
    dense: Tensor = weight.detach().float()
    return dense


def library_versions() -> dict[str, str]:
    """Versions of what the results depend on; "absent" where a library is missing."""
    found = {}
    for name in ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def quiet_libraries() -> None:
    """No progress bars and no advice from the libraries on a console that shows the run's own progress."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for name in ("bitsandbytes", "transformers", "accelerate", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: of the GPU since the last call, or of this process."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
