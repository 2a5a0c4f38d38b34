"""All ways to decode one task and to choose among its candidates, on one adapter: what each of them takes and finds.

Measures; whether an answer is right is not known here. See `standings` for the table.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from solver.account import Solved
from solver.answering import Answering
from solver.attempts import Candidate
from solver.budget import Clock, Deadline
from solver.deciding import StopEarly
from solver.encoding import Json, candidate_to_json, grid_to_json
from solver.fusion import fuse
from solver.grid import Grid
from solver.inference import Shown, inference_views, show
from solver.jobs import Job, Manner
from solver.model import Base, generate
from solver.pace import Pace
from solver.profiles import Decode
from solver.scoring import Scorer, most_supported
from solver.settings import VOTES
from solver.task import Task
from solver.ttt import Plan, train

Outputs = dict[tuple[int, str], Any]
"""What the views said: by test input and view, a grid, or None for an answer that cannot be read."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all ways have in common. ttt_seconds: of training, at most; ttt_steps: exactly so many instead;
    plain: whether transformers' own generation takes part, one view at a time."""

    seed: int = 0
    ttt_seconds: float = 30.0
    ttt_steps: int | None = None
    plain: bool = True


@dataclass(slots=True, eq=False)
class Contest:
    """One task, trained on once. known: programs' answers, which drafts and early stopping may use."""

    base: Base
    task: Task
    terms: Terms
    known: Sequence[Candidate] = ()
    clock: Clock = time.monotonic
    pace: Pace = field(default_factory=Pace)
    shown: list[Shown] = field(init=False)

    def __post_init__(self) -> None:
        views = inference_views(self.task, self.base.profile, self.terms.seed)
        self.shown = show(self.task, views, self.base.profile, lambda _: None)

    def run(self) -> Json:
        """Trains, then decodes in every way; a JSON object."""
        deadline = Deadline.never() if self.terms.ttt_steps is not None else self._after(self.terms.ttt_seconds)
        report = train(self.base, self.task, Plan(deadline, self.terms.seed, self.terms.ttt_steps), self.clock)
        with self.base.inference():
            entry = self._decode()
        return {"task_id": self.task.id, "ttt": report.to_json(), **entry}

    def _after(self, seconds: float) -> Deadline:
        return Deadline(self.clock() + seconds, self.clock)

    def _decode(self) -> Json:
        ways: dict[str, Json] = {}
        outputs: dict[str, Outputs] = {}
        if self.terms.plain:
            outputs["generate"], ways["generate"] = self._generate()
        batched = self._answer(ways, "batched", Manner(stop=StopEarly.OFF), drafting=False)
        drafted = self._answer(ways, "drafted", Manner(stop=StopEarly.OFF), scoring=True)
        outputs |= {"batched": said(batched), "drafted": said(drafted)}
        searched = self._answer(ways, "dfs", Manner(Decode.DFS, stop=StopEarly.OFF))
        if self.known:
            helped = self._answer(ways, "program drafts", Manner(stop=StopEarly.OFF), known=self.known)
            outputs["program drafts"] = said(helped)
        sets = {"greedy": drafted.solved.candidates, "dfs": searched.solved.candidates}
        # Both sets are scored under the same readings, which the drafted answers have left behind.
        scored = {name: self._score(ways, name, drafted, found) for name, found in sets.items()}
        grids = {(one.query.index, one.grid) for found in sets.values() for one in found}
        return {
            "views": self._views(),
            "stopping": self._stop(drafted.solved.candidates),
            "ways": ways,
            "differ": {name: differences(outputs["batched"], one) for name, one in outputs.items()},
            "candidates": {name: list(map(candidate_to_json, found)) for name, found in scored.items()},
            "lengths": [
                {"index": index, "grid": grid_to_json(grid), "tokens": self._length(index, grid)}
                for index, grid in sorted(grids, key=str)
            ],
        }

    def _generate(self) -> tuple[Outputs, Json]:
        """transformers' own generation, one view after the other."""
        fmt, outputs, passes = self.base.profile.format, {}, 0
        began = self.clock()
        for one in self.shown:
            for index, prompt in one.prompts.items():
                last = int(prompt.positions[-1])
                answer = generate(
                    self.base.lm,
                    prompt.ids,
                    prompt.positions,
                    one.limits[index],
                    fmt.stop_id,
                    lambda ids: fmt.legal_along(np.array(ids, dtype=np.int64), len(ids))[0],
                    lambda ids, last=last: fmt.positions_along(last, np.array(ids, dtype=np.int64)),  # type: ignore[misc]
                )
                passes += len(answer)
                grid = fmt.parse(answer)
                outputs[index, repr(one.view)] = None if grid is None else one.view.restore(grid)
        return outputs, {"seconds": self.clock() - began, "passes": passes}

    def _answer(
        self, ways: dict[str, Json], name: str, manner: Manner, known: Sequence[Candidate] = (), **options: Any
    ) -> Answering:
        """One way to decode all views, as a run would; its account goes to `ways`."""
        job = Job(self.task, float("inf"), self.terms.seed, manner=manner, known=tuple(known), closed=True)
        solved, never = Solved(planned_views=self._views()), Deadline(float("inf"), self.clock)
        answering = Answering(
            self.base, job, self.shown, never, self.pace, lambda _: None, solved, clock=self.clock, **options
        )
        began = self.clock()
        answering.run()
        ways[name] = {"seconds": self.clock() - began, **solved.decoding_json()}
        return answering

    def _score(
        self, ways: dict[str, Json], name: str, answering: Answering, found: Sequence[Candidate]
    ) -> list[Candidate]:
        """The candidates with their scores under all views; what that took goes to `ways`."""
        began, passes, scores = self.clock(), 0, {}
        for query in self.task.queries():
            mine = [one for one in found if one.query == query]
            scorer = Scorer(self.base.profile, answering.readings, query.index, self.pace, lambda _: None, self.clock)
            grids = most_supported(mine, self.base.profile.decoding.scored)
            scores[query] = scorer.score(grids, Deadline(float("inf"), self.clock))
            passes += scorer.passes
        count = sum(map(len, scores.values()))
        ways[f"score {name}"] = {"seconds": self.clock() - began, "passes": passes, "scored": count}
        return [replace(one, score=scores[one.query].get(one.grid)) for one in found]

    def _stop(self, full: Sequence[Candidate]) -> list[Json]:
        """Each way of stopping early, without and with programs: views left out, and whether the attempts are those of
        all views."""
        vote, found = VOTES["hierarchical"], []
        for known in ((), self.known) if self.known else ((),):
            whole = [one.attempts for one in fuse(self.task, [*full, *known], vote)]
            for stop in (StopEarly.EXACT, StopEarly.LIKELY):
                ways: dict[str, Json] = {}
                answering = self._answer(ways, "stopped", Manner(stop=stop), known=known)
                fused = fuse(self.task, [*answering.solved.candidates, *known], vote)
                same = sum(one.attempts == other for one, other in zip(fused, whole, strict=True))
                found.append(
                    {"stop": stop.value, "programs": bool(known), "same": same, "of": len(whole)} | ways["stopped"]
                )
        return found

    def _views(self) -> int:
        """Of all test inputs together."""
        return sum(len(one.prompts) for one in self.shown)

    def _length(self, index: int, grid: Grid) -> float:
        """Mean tokens of a grid in the views of a test input."""
        lengths = [len(one.answer(grid, self.base.profile)) for one in self.shown if index in one.prompts]
        return sum(lengths) / max(1, len(lengths))


def said(answering: Answering) -> Outputs:
    """By test input and view, the single answer of each."""
    outputs: Outputs = {(index, repr(one.view)): None for one in answering.shown for index in one.prompts}
    return outputs | {(one.query.index, repr(one.view)): one.grid for one in answering.solved.candidates}


def differences(one: Outputs, other: Outputs) -> int:
    """How many views said something else."""
    return sum(grid != other[key] for key, grid in one.items())
