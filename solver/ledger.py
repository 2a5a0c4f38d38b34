"""What workers say becomes what a run remembers: its state, its journal, and after every job the submission file.

Knows nothing of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from solver.attempts import Attempts, Candidate, Channel, write_submission
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


@dataclass(slots=True)
class Ledger:
    """order: all tasks, as the submission lists them; broken: tasks whose last try died with its worker; what it found
    waits to be replaced by another try's candidates."""

    state: Run
    journal: Journal
    order: Sequence[Task]
    broken: set[str] = field(default_factory=set)

    def collect(self, message: Partial) -> None:
        """Adds candidates; another try's replace those of the try that died, which had the same views."""
        state, task_id = self.state, message.task_id
        if self._superseded(task_id):
            state.found[task_id] = self._standing(task_id)
            self._renewed(task_id)
        state.found[task_id] += message.candidates

    def known(self, task_id: str) -> list[Candidate]:
        """What another pass over a task is told: candidates of all channels, without those that it will replace."""
        state = self.state
        programs = [one for one in state.candidates(task_id) if one.channel is not Channel.MODEL]
        return [*(self._standing(task_id) if self._superseded(task_id) else state.found[task_id]), *programs]

    def rated(self, message: Rated) -> None:
        """Scores candidates; others of the same query lose the scores that they had from other views."""
        found = self.state.found[message.task_id]
        found[:] = [
            replace(one, score=message.scores[one.query].get(one.grid)) if one.query in message.scores else one
            for one in found
        ]

    def finished(self, message: Finished, number: int) -> None:
        """The model's pass of that number over a task ended."""
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
        """Answers, remembers and writes. A record holds the model's candidates of all passes so far."""
        state, task_id = self.state, record.task_id
        attempts, branches = _split(state.conclude(task_id))
        record = replace(record, candidates=tuple(state.found[task_id]), attempts=attempts, branches=branches)
        state.records[task_id] = record
        self._renewed(task_id)
        self._write(TASK_EVENT, record)

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

    def _superseded(self, task_id: str) -> bool:
        """Whether what was found last gives way to the first candidates of another try."""
        return task_id in self.broken or task_id in self.state.stale

    def _standing(self, task_id: str) -> list[Candidate]:
        """The model's candidates of passes that ended."""
        records = self.state.records
        return list(records[task_id].candidates) if task_id in records else []

    def _renewed(self, task_id: str) -> None:
        self.broken.discard(task_id)
        self.state.stale.discard(task_id)

    def _write(self, event: str, record: Record) -> None:
        self.journal.append(event, **record.to_json())
        self.submit()

    def submit(self) -> None:
        """Replaces the submission file."""
        write_submission(self.state.settings.output, self.order, self.state.answers)


def _split(fused: Sequence[Fused]) -> tuple[tuple[Attempts, ...], tuple[Branch, ...]]:
    return tuple(one.attempts for one in fused), tuple(one.branch for one in fused)
