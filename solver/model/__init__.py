"""Bases: build, load in 4 bits, attach and reset a LoRA, run. The only importer of the model libraries."""

from solver.model.attention import ATTENTION, register_attention
from solver.model.base import Base, load_base
from solver.model.chunked import CHUNK, ChunkedCausalAttention
from solver.model.compiling import compile_layers, uncompiled
from solver.model.devices import choose_device, free_memory, native_dtype, peak_memory
from solver.model.generate import generate
from solver.model.libraries import library_versions, quiet_libraries, use_threads
from solver.model.loading import Quantize, load_lm, read_weights
from solver.model.lora import attach_lora, dense_weight
from solver.model.parallel import find_team
from solver.model.prefix_cache import SharedPrefixCache
from solver.model.probing import probe
from solver.model.rotary import cast_weights
from solver.model.running import forward_hidden, loss_sum, read_on, read_prompts
from solver.model.saving import new_native, save_base, save_lm, save_random_llama
from solver.model.text_base import TextBase, load_text_base
from solver.model.vocabulary import cut_vocabulary

__all__ = [
    "ATTENTION",
    "CHUNK",
    "Base",
    "ChunkedCausalAttention",
    "Quantize",
    "SharedPrefixCache",
    "TextBase",
    "attach_lora",
    "cast_weights",
    "choose_device",
    "compile_layers",
    "cut_vocabulary",
    "dense_weight",
    "find_team",
    "forward_hidden",
    "free_memory",
    "generate",
    "library_versions",
    "load_base",
    "load_lm",
    "load_text_base",
    "loss_sum",
    "native_dtype",
    "new_native",
    "peak_memory",
    "probe",
    "quiet_libraries",
    "read_on",
    "read_prompts",
    "read_weights",
    "register_attention",
    "save_base",
    "save_lm",
    "save_random_llama",
    "uncompiled",
    "use_threads",
]
