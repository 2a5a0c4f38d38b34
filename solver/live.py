"""What the person watching sees while a run works: a live line on a terminal, a line now and then elsewhere.

Reads run state; changes nothing. Solutions come in only to show the score so far.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from solver.budget import format_duration
from solver.evaluation import Solutions, restrict, score
from solver.run_state import Run

LINE_EVERY = 30.0
"""Seconds between two lines where the output is a file and a live line would fill it."""

FIRST_RUN = "starting (on a machine's first run the search is compiled, for two minutes)"

NAMED = 4
"""More tasks at once than this are counted instead of named in the live line."""


def unread() -> bool:
    """Whether this process's output is a pipe that nobody reads any more, as after `| head`."""
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in watched.poll(0))


def print_nowhere() -> None:
    """What this process has still to print is dropped, where it would raise at the latest when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Screen(Console):
    """A console whose reader may leave: what it tells of goes on without it."""

    def on_broken_pipe(self) -> None:
        print_nowhere()


@dataclass(slots=True)
class Watch:
    """A live line on a terminal, a line now and then elsewhere. solutions: only to show the score so far."""

    console: Console
    solutions: Solutions | None = None
    _live: Live | None = None
    _last: float = float("-inf")

    def started(self, run: Run) -> None:
        settings = run.settings
        parts = [f"{len(run.tasks)} tasks"]
        if names := settings.bases():
            parts += [f"base {names[0]}" if len(names) == 1 else f"bases {', '.join(names)}"]
            parts += [f"{len(settings.devices)} worker(s)"]
        if settings.searchers:
            parts.append(f"{settings.searchers} search worker(s)")
        if settings.writer:
            parts.append(f"programs by {settings.writer.name}")
        parts += [
            f"budget {format_duration(settings.budget)}",
            f"seed {settings.seed}; run directory {settings.run_dir}",
        ]
        self.console.print(", ".join(parts), highlight=False, markup=False)
        if run.reached():
            searched = f", {len(run.searches)} were searched" if settings.searchers else ""
            searched += f", {len(run.inductions)} have programs" if settings.writer else ""
            text = f"resumed: {_finished(run)}{searched}"
            self.console.print(text, highlight=False, markup=False)
        elif settings.resume:
            text = f"nothing is recorded in {settings.run_dir}: this is the beginning"
            self.console.print(text, highlight=False, markup=False)
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=2, transient=True)
            self._live.start()

    def changed(self, run: Run) -> None:
        now = run.clock()
        if self._live:
            self._live.update(Text(self.line(run), no_wrap=True, overflow="ellipsis"))
        elif now - self._last >= LINE_EVERY:
            self._last = now
            self.console.print(self.line(run), highlight=False, markup=False, soft_wrap=True)

    def ended(self, run: Run) -> None:
        if self._live:
            self._live.stop()
        for problem in run.problems:
            self.console.print(f"problem: {problem}", style="red", highlight=False, markup=False, soft_wrap=True)

    def line(self, run: Run) -> str:
        """Tasks done, time left, what is being worked on and, on labelled data, the score so far."""
        settings = run.settings
        parts = _progress(run)
        if settings.searchers:
            parts.append(f"{len(run.searches)}/{len(run.tasks)} searched")
        if settings.writer:
            parts.append(f"{len(run.inductions)}/{len(run.tasks)} with programs")
        parts.append(f"{format_duration(run.left())} left")
        if further := sum(record.pass_number > 0 for base in run.bases for record in base.records.values()):
            parts.append(f"{further} further passes")
        searching, writing = run.searching.running, run.inducing.running
        if searching:
            parts.append(f"searching {_named(searching)}")
        if writing:
            parts.append(f"writing for {_named(writing)}")
        training = _at_work(run)
        if training or not (searching or writing):
            starting = FIRST_RUN if settings.searchers and not run.searches else "starting"
            parts.append(f"now {training or starting}")
        if self.solutions is not None and (reached := run.reached()):
            scores = score(restrict(self.solutions, reached), run.answers)
            parts.append(f"score so far {100 * scores.mean_fraction:.1f} % ({scores.solved_tasks} solved)")
        return " | ".join(parts)


def _progress(run: Run) -> list[str]:
    """How many tasks each base is done with; whose they are is said where there are several."""
    done = [sum(count > 0 for count in base.scheduler.passes.values()) for base in run.bases]
    if len(done) == 1:
        return [f"{done[0]}/{len(run.tasks)} tasks"]
    return [f"{name} {count}/{len(run.tasks)}" for name, count in zip(run.settings.bases(), done, strict=True)]


def _finished(run: Run) -> str:
    """The same of earlier runs."""
    counts = [len(base.records) for base in run.bases] or [0]
    if len(counts) == 1:
        return f"{counts[0]} tasks were finished before"
    by_base = [f"{count} by {name}" for name, count in zip(run.settings.bases(), counts, strict=True)]
    return f"tasks that were finished before: {', '.join(by_base)}"


def _at_work(run: Run) -> str:
    """The tasks that bases are trained on now."""
    if len(run.bases) == 1:
        return _named(run.bases[0].scheduler.running)
    pairs = zip(run.settings.bases(), run.bases, strict=True)
    return ", ".join(f"{name} {_named(base.scheduler.running)}" for name, base in pairs if base.scheduler.running)


def _named(task_ids: Iterable[str]) -> str:
    names = list(task_ids)
    return " ".join(names) if len(names) <= NAMED else f"{len(names)} tasks"
