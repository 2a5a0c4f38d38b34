"""What workers say becomes what a run remembers: its state, its journal, and after every job the submission file.

Knows nothing of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from solver.attempts import Attempts, Candidate, write_submission
from solver.fusion import Branch, Fused, unique
from solver.jobs import Finished, Partial, Rated, Searched, Wrote
from solver.journal import Journal
from solver.records import (
    INDUCTION_EVENT,
    SEARCH_EVENT,
    TASK_EVENT,
    InductionRecord,
    Outcome,
    Record,
    SearchRecord,
    TaskRecord,
)
from solver.run_state import Run
from solver.task import Task
from solver.visits import rescore


@dataclass(slots=True)
class Ledger:
    """order: all tasks, as the submission lists them."""

    state: Run
    journal: Journal
    order: Sequence[Task]

    def collect(self, message: Partial, base: int = 0) -> None:
        """Adds candidates of a base; another try's replace those of the try that died, which had the same views."""
        visits, task_id = self.state.bases[base], message.task_id
        if visits.superseded(task_id):
            visits.found[task_id] = visits.recorded(task_id)
            visits.renewed(task_id)
        visits.found[task_id] += message.candidates

    def known(self, task_id: str, base: int = 0) -> list[Candidate]:
        """What another pass of a base over a task is told: candidates of all bases and channels, without those that it
        will replace."""
        state = self.state
        said = (one.standing(task_id) if one.number == base else one.found[task_id] for one in state.bases)
        return [*(one for some in said for one in some), *state.programs(task_id)]

    def rated(self, message: Rated) -> None:
        """Scores candidates of all bases; others of the same query lose the scores that they had from other views."""
        rescore(self.state.bases, message.scores)

    def finished(self, message: Finished, number: int, base: int = 0) -> None:
        """A base's pass of that number over a task ended."""
        cut_short = message.views + message.saved_views < message.planned_views
        status = Outcome.FAILED if message.error else Outcome.TIMED_OUT if cut_short else Outcome.DONE
        self.record(
            TaskRecord(
                message.task_id,
                status,
                ttt=message.ttt,
                decoding=message.decoding,
                seconds={stage: round(seconds, 3) for stage, seconds in message.seconds.items()},
                peak_memory=message.peak_memory,
                notes=message.notes,
                error=message.error,
                pass_number=number,
                worker=message.worker,
                base=base,
            )
        )

    def searched(self, message: Searched) -> None:
        """The search on a task ended."""
        self.record_search(
            SearchRecord(
                message.task_id,
                Outcome.FAILED if message.error else Outcome.DONE,
                message.candidates,
                stop=message.stop,
                states=message.states,
                seconds=round(message.seconds, 3),
                answers=message.answers,
                perfect=message.perfect,
                unique=unique(self.state.tasks[message.task_id], message.candidates),
                peak_memory=message.peak_memory,
                error=message.error,
                worker=message.worker,
            )
        )

    def written(self, message: Wrote) -> None:
        """The programs for a task are written, run and judged."""
        self.record_induction(
            InductionRecord(
                message.task_id,
                Outcome.FAILED if message.error else Outcome.TIMED_OUT if message.late else Outcome.DONE,
                message.candidates,
                stop=message.stop,
                sampled=message.sampled,
                programs=message.programs,
                perfect=message.perfect,
                unique=unique(self.state.tasks[message.task_id], message.candidates),
                fates=message.fates,
                seconds={stage: round(seconds, 3) for stage, seconds in message.seconds.items()},
                notes=message.notes,
                peak_memory=message.peak_memory,
                error=message.error,
                worker=message.worker,
            )
        )

    def record(self, record: TaskRecord) -> None:
        """Answers, remembers and writes. A record holds the base's candidates of all passes so far."""
        state, task_id, visits = self.state, record.task_id, self.state.bases[record.base]
        attempts, branches = _split(state.conclude(task_id))
        candidates, others = tuple(visits.found[task_id]), self._others(task_id, record.base)
        record = replace(record, candidates=candidates, others=others, attempts=attempts, branches=branches)
        visits.renewed(task_id)
        state.visited(record)
        self._write(TASK_EVENT, record)

    def _others(self, task_id: str, base: int) -> tuple[Candidate, ...]:
        """What other bases said and has a score, once for each grid."""
        said = (one for other in self.state.bases if other.number != base for one in other.found[task_id])
        scored = {(one.query, one.grid): one for one in said if one.score is not None}
        return tuple(Candidate(query, grid, score=one.score, base=one.base) for (query, grid), one in scored.items())

    def record_search(self, record: SearchRecord) -> None:
        """The same for a search."""
        state = self.state
        state.searched(record)
        attempts, branches = _split(state.conclude(record.task_id))
        record = state.searches[record.task_id] = replace(record, attempts=attempts, branches=branches)
        self._write(SEARCH_EVENT, record)

    def record_induction(self, record: InductionRecord) -> None:
        """The same for programs that a model wrote."""
        state = self.state
        state.written(record)
        attempts, branches = _split(state.conclude(record.task_id))
        record = state.inductions[record.task_id] = replace(record, attempts=attempts, branches=branches)
        self._write(INDUCTION_EVENT, record)

    def problem(self, text: str) -> None:
        """Something that a person should know of."""
        self.state.problems.append(text)
        self.journal.append("problem", text=text)

    def _write(self, event: str, record: Record) -> None:
        self.journal.append(event, **record.to_json())
        self.submit()

    def submit(self) -> None:
        """Replaces the submission file."""
        write_submission(self.state.settings.output, self.order, self.state.answers)


def _split(fused: Sequence[Fused]) -> tuple[tuple[Attempts, ...], tuple[Branch, ...]]:
    return tuple(one.attempts for one in fused), tuple(one.branch for one in fused)
