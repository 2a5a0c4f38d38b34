"""What a base's files are: folders in transformers' layout, adapters on one, GGUF files. No torch, no weights read.

Everything wrong with them is told here, in one line that names the file, before a worker starts.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solver.formats import Vocabulary, gguf_fields, gguf_file
from solver.grid import InputError

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A base's files.

    place: what was named; weights: the folder with the base's own weights, or a GGUF file; adapter: a folder with a
    LoRA that is merged into these, or None; config: as in config.json.
    """

    place: Path
    weights: Path
    adapter: Path | None
    config: Json

    @property
    def quantized(self) -> bool:
        """Whether the weights are in 4 bits already. Other ways of quantising are refused when a base is found."""
        return "quantization_config" in self.config


def open_checkpoint(place: Path, roots: Sequence[Path] = ()) -> Checkpoint:
    """Looks at every file but reads no weights; raises `InputError` naming the file that is missing or broken.

    roots: where the base of an adapter is looked for, beside the adapter itself.
    """
    if gguf := gguf_file(place):
        return Checkpoint(place, gguf, None, _gguf_config(gguf))
    if not (place / CONFIG).exists() and (place / ADAPTER_CONFIG).exists():
        base = _base_of_adapter(place, roots)
        _check_weights(place, "adapter_model")
        return Checkpoint(place, base, place, check_files(base))
    return Checkpoint(place, place, None, check_files(place))


def check_files(folder: Path) -> Json:
    """Reads config.json and the head of every file of weights; raises `InputError` naming the one that is missing or
    broken."""
    config = read_object(folder / CONFIG, "so this is not a base")
    for name in INDEXES:
        if (folder / name).exists():
            _check_index(folder / name)
    _check_weights(folder, "pytorch_model")
    method = config.get("quantization_config")
    if method is not None and (not isinstance(method, dict) or method.get("load_in_4bit") is not True):
        raise InputError(
            f"{folder / CONFIG}: quantization_config: only bitsandbytes' 4-bit weights (load_in_4bit) can be trained; "
            "attach the checkpoint that was not quantised, or quantise that with `python -m solver quantize`"
        )
    return config


def read_object(file: Path, consequence: str = "") -> Json:
    """A JSON object; raises `InputError` naming the file that holds none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file{consequence and ', ' + consequence}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{file}: is not an object")
    return content


def _check_index(file: Path) -> None:
    """An index names the file of each weight; all of these must be there."""
    shards = read_object(file).get("weight_map")
    if not isinstance(shards, dict):
        raise InputError(f"{file}: weight_map: is not an object")
    for shard in sorted(set(map(str, shards.values()))):
        if not (file.parent / shard).is_file():
            raise InputError(f"{file.parent / shard}: no such file, though {file.name} names it")


def _check_weights(folder: Path, stem: str) -> None:
    """Looks at every .safetensors file, or else every .bin file whose name begins with the stem."""
    from safetensors import SafetensorError, safe_open

    weights, pickles = sorted(folder.glob("*.safetensors")), sorted(folder.glob(f"{stem}*.bin"))
    if not weights and not pickles:
        raise InputError(f"{folder}: holds no .safetensors file, nor {stem}*.bin")
    for file in weights:
        try:
            with safe_open(file, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            raise InputError(f"{file}: broken safetensors file ({error})") from None
    for file in pickles if not weights else ():
        if not zipfile.is_zipfile(file):
            raise InputError(f"{file}: broken .bin file (not an archive as torch.save writes them)")


def _base_of_adapter(place: Path, roots: Sequence[Path]) -> Path:
    """The folder of the base that an adapter names: by its path, or under its last name beside it or under a root."""
    file = place / ADAPTER_CONFIG
    name = read_object(file).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise InputError(f"{file}: base_model_name_or_path: names no base")
    last = Path(name).name.lower()
    near = [Path(name), place / name, *(one for one in sorted(place.parent.glob("*")) if one.name.lower() == last)]
    far = (config.parent for root in roots for config in sorted(root.glob(f"**/{CONFIG}")))
    near += [one for one in far if last in (part.lower() for part in one.parts)]
    for folder in near:
        if folder != place and (folder / CONFIG).is_file():
            return folder
    raise InputError(
        f"{file}: base_model_name_or_path: {name} is not beside it, nor attached; attach that base as well"
    )


def _gguf_config(file: Path) -> Json:
    fields = gguf_fields(file)
    kind = fields.get("general.architecture")
    return {
        "model_type": kind,
        "vocab_size": len(fields.get("tokenizer.ggml.tokens", ())),
        "max_position_embeddings": fields.get(f"{kind}.context_length"),
        "hidden_size": fields.get(f"{kind}.embedding_length"),
        "num_hidden_layers": fields.get(f"{kind}.block_count"),
        "eos_token_id": fields.get("tokenizer.ggml.eos_token_id"),
        "bos_token_id": fields.get("tokenizer.ggml.bos_token_id"),
    }


def borders(checkpoint: Checkpoint, vocabulary: Vocabulary) -> tuple[str, str]:
    """The tokens that begin and end a sequence, by name; empty where there is none.

    A beginning counts only if the tokenizer puts it before every text: Qwen's configurations name one that never is.
    """
    folder = checkpoint.place if (checkpoint.place / "tokenizer_config.json").exists() else checkpoint.weights
    file = folder / "tokenizer_config.json"
    settings = read_object(file) if file.exists() else {}
    begin = vocabulary.beginning()
    if begin is None and settings.get("add_bos_token"):
        begin = _named(settings.get("bos_token"))
    if begin is None:
        # These files never say; their families always begin so.
        begin = {"tokenizer.model": "<|begin_of_text|>", "tekken.json": "<s>"}.get(vocabulary.file.name)
    end = _named(settings.get("eos_token"))
    if end is None:
        number = checkpoint.config.get("eos_token_id")
        number = number[0] if isinstance(number, list) and number else number
        end = vocabulary.name(number) if isinstance(number, int) else None
    return begin or "", end or ""


def _named(token: object) -> str | None:
    """A token of tokenizer_config.json: its name, or an object with it."""
    name = token.get("content") if isinstance(token, dict) else token
    return name if isinstance(name, str) else None
