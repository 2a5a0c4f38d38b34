"""Command lines: `submission.py` and `python -m solver …`. The work is done elsewhere.

Exit codes: 0 when what was asked for was done, 2 with one line on bad input, 1 when nobody reads what is printed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from solver.commands import COMMANDS
from solver.grid import InputError
from solver.live import print_nowhere, unread
from solver.options import Parser, complain, submission_parser
from solver.submit import submit


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; bad input becomes one line and exit code 2."""
    if sys.stdout is None:
        # After `>&-`: there is no place to print to.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (until the process ends)
    try:
        code = command()
        # Here, and not when the process ends, when nobody could catch what it raises.
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # It may be another pipe that broke.
        if not unread():
            raise
        print_nowhere()
        return 1
    except InputError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("interrupted; what was written is whole, and --resume goes on with the same --run-dir")
        return 130


def submission(arguments: Sequence[str] | None = None) -> int:
    """`submission.py`: solves a file or split of tasks and writes submission.json."""
    began = time.monotonic()
    options = submission_parser().parse_args(arguments)
    return guarded(lambda: submit(options, began))


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m solver`: everything beside the submission itself."""
    parser = Parser(prog="python -m solver", description="Tools of the ARC kit.")
    parsers = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(parsers.add_parser(command.name, help=command.help))
    options = parser.parse_args(arguments)
    chosen = next(command for command in COMMANDS if command.name == options.command)
    return guarded(lambda: chosen.run(options))
