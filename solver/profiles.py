"""What each base expects: its format, LoRA and test-time-training defaults, and where its files are. Data, no torch.

`find_base` turns `--base NAME|PATH` into a profile and checks the files before any worker starts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from solver.grid import InputError
from solver.prompt import NATIVE_TOKENS, Format, NativeFormat

KAGGLE_INPUT = Path("/kaggle/input")


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """rank, alpha and rank stabilisation as in PEFT; targets: module suffixes, or "all-linear" (all but the head)."""

    rank: int
    alpha: float
    rank_stabilised: bool = False
    targets: tuple[str, ...] | str = "all-linear"


@dataclass(frozen=True, slots=True)
class TttSettings:
    """How a base is trained on one task's own demonstrations.

    lr: peak of a cosine with `warmup` (a fraction of the steps); epochs over at most `max_examples` distinct
    examples, drawn afresh each epoch; batch: examples per optimiser step; micro_tokens: padded tokens per forward;
    first_supervised: number of the first demonstration whose output is a target;
    converged_loss: stops when the mean loss (nats per target token) of `patience` steps is below it.
    """

    lr: float
    epochs: int = 2
    batch: int = 2
    max_examples: int = 250
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float = 1.0
    micro_tokens: int = 8192
    first_supervised: int = 1
    converged_loss: float = 0.001
    patience: int = 8


class Decode(Enum):
    """What becomes of one view: its most probable answer, that and all probable ones, or samples."""

    GREEDY = "greedy"
    DFS = "dfs"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How views are decoded and candidates scored.

    threshold: a depth-first search finds the answers with at least this probability (Franzen et al. 2025, section 3.3,
    use about a tenth: lower ones cost time and seldom bring the right answer); samples: per view; temperature, top_p:
    of samples (0.7 as in Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning in Language Models",
    section 3.1; 0.95 as in Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", section 5);
    scored: most candidates of a test input that are scored. Raises ValueError for what none of them can be.
    """

    threshold: float = 0.1
    samples: int = 4
    temperature: float = 0.7
    top_p: float = 0.95
    scored: int = 16

    def __post_init__(self) -> None:
        possible = 0 < self.threshold < 1 and self.samples > 0 and self.temperature >= 0 and self.scored > 0
        if not (possible and 0 < self.top_p <= 1):
            raise ValueError(f"nothing can be decoded so: {self}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A base: how to talk to it and how to train it.

    folder: its files, in transformers' layout; context: longest sequence in tokens, answer included;
    permute_black: whether colour 0 took part in the base's colour permutations;
    orders: shuffled demonstration orders per dihedral view at inference;
    decode_tokens: prompt and answer tokens decoded at once, over all views of a batch; decoding: how;
    small: the whole base fits the processor's cache many times over, so that one process per core and LoRA folded
    into dense weights are fastest.
    """

    name: str
    folder: Path
    format: Format
    context: int
    lora: LoraSettings
    ttt: TttSettings
    permute_black: bool = False
    orders: int = 2
    decode_tokens: int = 32768
    small: bool = False
    decoding: DecodeSettings = field(default_factory=DecodeSettings)


NATIVE_FOLDER = Path(__file__).parent / "base" / "native"

NATIVE = Profile(
    name="native",
    folder=NATIVE_FOLDER,
    format=NativeFormat(),
    context=8192,
    lora=LoraSettings(rank=64, alpha=64, targets="all-linear"),
    ttt=TttSettings(lr=4e-3, epochs=8, batch=4, micro_tokens=4096),
    small=True,
)

LARGE_LORA = LoraSettings(rank=128, alpha=16)
LARGE_TTT = TttSettings(lr=5e-5)
SMALL_PARAMETERS = 30_000_000


def find_base(name: str) -> Profile:
    """The profile of a built-in base, an attached folder, or a path; raises `InputError` in one line."""
    if name == NATIVE.name:
        check_files(NATIVE.folder)
        return NATIVE
    path = Path(name)
    if not path.is_dir():
        attached = (
            sorted(p.parent for p in KAGGLE_INPUT.glob(f"**/{path.name}/**/config.json"))
            if KAGGLE_INPUT.is_dir()
            else []
        )
        if not attached:
            raise InputError(f"--base {name}: not a built-in base (native), nor a folder that holds one")
        path = attached[0]
    return inspect_base(path)


def attached_bases(root: Path = KAGGLE_INPUT) -> list[Path]:
    """Folders under `root` that look like a base this kit can read, in a stable order."""
    found = []
    for config in sorted(root.glob("**/config.json")):
        try:
            inspect_base(config.parent)
        except InputError:
            continue
        found.append(config.parent)
    return found


INDUCTION_BASE = "barc0/Llama-3.1-ARC-Potpourri-Induction-8B"
"""The public checkpoint that writes programs; its folder is known by the word below."""

INDUCTION_WORD = "induction"


def find_writer(name: str | None, root: Path = KAGGLE_INPUT) -> Path:
    """The folder of the base that writes programs: the one named, or one that is attached. Raises `InputError`."""
    if name is not None:
        if not Path(name).is_dir():
            raise InputError(f"--programs-base {name}: is not a folder")
        check_text_base(Path(name))
        return Path(name)
    attached = attached_writers(root)
    if not attached:
        raise InputError(
            f"--channels programs: no base that writes programs is attached; add {INDUCTION_BASE} (config.json, "
            f"tokenizer.json, *.safetensors) to the notebook as a model or dataset, so that it lies under {root}, or "
            "name its folder with --programs-base"
        )
    return attached[0]


def attached_writers(root: Path = KAGGLE_INPUT) -> list[Path]:
    """Folders under `root` that hold a base whose path says that it writes programs, in a stable order."""
    if not root.is_dir():
        return []
    found = []
    for config in sorted(root.glob("**/config.json")):
        if INDUCTION_WORD not in str(config.parent.relative_to(root)).lower():
            continue
        try:
            check_text_base(config.parent)
        except InputError:
            continue
        found.append(config.parent)
    return found


def check_text_base(folder: Path) -> None:
    """Raises `InputError` naming the file of a text base that is missing or broken."""
    check_files(folder)
    _vocabulary(folder)


def inspect_base(folder: Path) -> Profile:
    """The profile of a folder, by its config and tokenizer; raises `InputError` when none fits."""
    config = check_files(folder)
    tokens = _vocabulary(folder)
    if tokens != {token: number for number, token in enumerate(NATIVE_TOKENS)}:
        raise InputError(f"{folder / 'tokenizer.json'}: no known format writes grids with this vocabulary")
    profile = replace(NATIVE, name=folder.name, folder=folder)
    if config.get("hidden_size", 0) ** 2 * 12 * config.get("num_hidden_layers", 0) > SMALL_PARAMETERS:
        profile = replace(profile, lora=LARGE_LORA, ttt=LARGE_TTT, small=False, decode_tokens=16384)
    geometric = config.get("position_scheme", "geometric") == "geometric"
    return replace(profile, format=NativeFormat(geometric=geometric))


def check_files(folder: Path) -> dict[str, Any]:
    """Reads config.json and every safetensors header; raises `InputError` naming the file that is missing or broken."""
    from safetensors import SafetensorError, safe_open

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder / 'config.json'}: no such file, so this is not a base") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'}: cannot be read ({error})") from None
    if not isinstance(config, dict):
        raise InputError(f"{folder / 'config.json'}: is not an object")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError(f"{folder}: holds no .safetensors file")
    for file in weights:
        try:
            with safe_open(file, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            raise InputError(f"{file}: broken safetensors file ({error})") from None
    return config


def _vocabulary(folder: Path) -> dict[str, int]:
    file = folder / "tokenizer.json"
    try:
        vocabulary = json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: not a readable tokenizer ({error!r})") from None
    return vocabulary if isinstance(vocabulary, dict) else {}
