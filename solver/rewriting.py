"""`python -m solver quantize` and `cut-vocabulary`: a base written anew, in 4 bits or with fewer tokens.

Both read what they have written before they say that it is done: a quantised base must give the same logits bit for
bit, a cut one the same as the whole one for every token that it kept.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from solver.checkpoints import CONFIG, Checkpoint, borders, open_checkpoint
from solver.formats import SAMPLE, TOKENIZER_JSON, TextFormat
from solver.formats.cutting import cut_content, needed_tokens
from solver.formats.tiktoken import dumps
from solver.grid import InputError
from solver.inspection import base_vocabulary
from solver.model import Quantize, cut_vocabulary, load_lm, probe, save_lm
from solver.profiles import ARC_FORMAT, KAGGLE_INPUT, Profile, find_base
from solver.public_bases import public_base

Say = Callable[[str], None]

CPU = torch.device("cpu")

COMPANIONS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model", "tekken.json")
"""Files of a base that are copied as they are."""


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder that gets its name only when all went well. Raises `InputError` if there is one of that name already, or
    none can be made."""
    if out.exists():
        raise InputError(f"{out}: exists already")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
    try:
        yield draft
        draft.chmod(0o755)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def quantize(name: str, out: Path, say: Say) -> None:
    """Writes a base in 4 bits, its adapter merged where it has one. Raises `InputError`."""
    profile = find_base(name)
    checkpoint = open_checkpoint(profile.folder, [KAGGLE_INPUT])
    if checkpoint.quantized:
        raise InputError(f"{profile.folder}: is quantised already")
    dtype = _own_dtype(checkpoint)
    with new_folder(out) as folder:
        source = profile.folder
        if checkpoint.adapter is not None or checkpoint.weights.is_file():
            say("reading the base, and merging its adapter where it has one")
            source = folder / "dense"
            lm, _ = load_lm(profile.folder, CPU, Quantize.NONE, dtype)
            save_lm(lm, source)
            del lm
        say("quantising")
        lm, stored = load_lm(source, CPU, Quantize.NF4, dtype)
        if stored is not Quantize.NF4:
            raise InputError("bitsandbytes is not installed: nothing can be quantised without it")
        save_lm(lm, folder)
        _copy_tokenizer(checkpoint, folder)
        _describe(folder, profile)
        shutil.rmtree(folder / "dense", ignore_errors=True)
        say("comparing what was written with what was meant")
        _, wanted = probe(lm)
        del lm
        written, _ = load_lm(folder, CPU, Quantize.NF4, dtype)
        if not torch.equal(probe(written)[1], wanted):
            raise InputError(f"{out}: the quantised base, read again, gives other logits; nothing was written")
    say(f"wrote {out}: {_size(out)}")


def cut(name: str, out: Path, say: Say) -> None:
    """Writes a base with the tokens of its format only. Raises `InputError`, for one that has no others as well."""
    profile = find_base(name)
    fmt = profile.format
    if not isinstance(fmt, TextFormat):
        raise InputError(f"{profile.folder}: has no tokens but those of its format")
    checkpoint = open_checkpoint(profile.folder, [KAGGLE_INPUT])
    vocabulary = base_vocabulary(checkpoint)
    begin, end = borders(checkpoint, vocabulary)
    kept = needed_tokens(vocabulary, fmt.table, (begin, end))
    numbers = {old: new for new, old in enumerate(kept)}
    dtype = _own_dtype(checkpoint)
    with new_folder(out) as folder:
        say(f"reading {profile.name}, to keep {len(kept)} of its {checkpoint.config['vocab_size']} tokens")
        lm, _ = load_lm(profile.folder, CPU, Quantize.NONE, dtype)
        prompt = fmt.originals(fmt.encode(SAMPLE).ids)
        meant, logits = probe(lm, prompt)
        cut_vocabulary(lm, kept)
        save_lm(lm, folder, numbers)
        del lm
        (folder / TOKENIZER_JSON).write_text(dumps(cut_content(vocabulary.content, kept)), encoding="utf-8")
        settings = {"bos_token": begin or None, "add_bos_token": bool(begin), "eos_token": end}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        _describe(folder, profile)
        say("comparing what was written with what was there")
        written, _ = load_lm(folder, CPU, Quantize.NONE, dtype)
        found, fewer = probe(written, [numbers[token] for token in prompt])
        # A product with a smaller head may round its last digits otherwise.
        if not torch.equal(found, meant) or not torch.allclose(fewer, logits[:, kept], rtol=0.01, atol=0.01):
            raise InputError(f"{out}: the cut base says something else; nothing was written")
        del written
        find_base(str(folder))
    say(f"wrote {out}: {_size(out)}")


def _own_dtype(checkpoint: Checkpoint) -> torch.dtype:
    """The type that the base's weights come in; bf16 where it does not say."""
    name = checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype")
    found = getattr(torch, str(name), None)
    return found if isinstance(found, torch.dtype) else torch.bfloat16


def _copy_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    """The tokenizer's files; that of a GGUF file becomes a tokenizer.json."""
    for name in COMPANIONS:
        places = (checkpoint.place / name, checkpoint.weights / name)
        if (file := next(filter(Path.is_file, places), None)) is not None:
            shutil.copyfile(file, folder / name)
    if checkpoint.weights.is_file():
        vocabulary = base_vocabulary(checkpoint)
        _, end = borders(checkpoint, vocabulary)
        (folder / TOKENIZER_JSON).write_text(dumps(vocabulary.content), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": end}) + "\n", encoding="utf-8")


def _describe(folder: Path, profile: Profile) -> None:
    """Writes into config.json whose format and recipe this has: its new path and tokens may not say so."""
    fmt = profile.format
    if not isinstance(fmt, TextFormat):
        return
    file = folder / CONFIG
    name = profile.name if public_base(profile.name) else fmt.name
    config = json.loads(file.read_text(encoding="utf-8")) | {ARC_FORMAT: name}
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _size(folder: Path) -> str:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f"{size / 2**20:.0f} MiB"
