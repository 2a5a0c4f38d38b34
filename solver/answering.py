"""A task's views become candidates: read in batches, decoded with drafts, left out once nothing hangs on them.

Decides which views are decoded together and which are not decoded at all; how tokens are chosen is `decoding`'s.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from solver.account import Emit, Solved
from solver.attempts import Candidate
from solver.augmentation import Dihedral
from solver.budget import Clock, Deadline
from solver.deciding import Case, next_views
from solver.decoding import Generated, Timing, batches, search, write_from_drafts, write_greedily, write_samples
from solver.drafting import draft
from solver.fusion import Vote
from solver.inference import Shown
from solver.jobs import Job
from solver.model import Base, free_memory
from solver.pace import Pace
from solver.profiles import Decode
from solver.reading import Reading
from solver.sampling import SamplingSettings
from solver.settings import VOTES
from solver.task import Query
from solver.training import is_out_of_memory

KEPT_SHARE = 0.25
"""Of the memory that is free at first, what views may keep that were decoded and are still to be scored."""


@dataclass(slots=True, eq=False)
class Answering:
    """One task's decoding under way.

    scoring: whether views are kept in memory for what comes after; drafting: whether drafts are used; readings: all
    views that were read; done: the (test input, view) pairs that were decoded; seen: how many of them by test input.
    """

    base: Base
    job: Job
    shown: Sequence[Shown]
    deadline: Deadline
    pace: Pace
    emit: Emit
    solved: Solved
    scoring: bool = False
    clock: Clock = time.monotonic
    drafting: bool = True
    readings: list[Reading] = field(default_factory=list)
    done: set[tuple[int, int]] = field(default_factory=set)
    seen: Counter[int] = field(default_factory=Counter)
    memory: float = field(init=False)

    def __post_init__(self) -> None:
        self.memory = KEPT_SHARE * free_memory(self.base.device)

    def run(self) -> None:
        """Views by rounds of eight, so that every test input gets its first round before any gets its second."""
        for start in range(0, 1 + max((one.number for one in self.shown), default=-1), len(Dihedral)):
            turns = range(start, start + len(Dihedral))
            self._round([one for one in self.shown if one.number in turns])
        for index, query in enumerate(self.job.task.queries()):
            if (left := self._open(index, self.shown)) and not self._wanted(query, left):
                self.solved.saved_views += len(left)

    def _round(self, views: Sequence[Shown]) -> None:
        """As many views at a time as may decide the matter, and where they did not, more and more of them."""
        left, least = list(views), 0
        while left and not self.deadline.passed():
            count = max(self._reach(query, left, least) for query in self.job.task.queries())
            some, left = left[:count], left[count:]
            if not some:
                return
            copies = self._samples()
            prompts = [[one.longest()] for one in some]
            limit = max(one.limit() for one in some)
            for numbers in batches(prompts, limit, self.base.profile.decode_tokens, copies):
                self._batch([some[number] for number in numbers], least)
            least = 2 * count

    def _reach(self, query: Query, views: Sequence[Shown], least: int) -> int:
        """How many of these views, from the first on, a test input asks for; none or at least so many of its own."""
        pending = self._open(query.index, views)
        count = self._wanted(query, pending) if pending else 0
        return views.index(pending[min(len(pending), max(count, least)) - 1]) + 1 if count else 0

    def _wanted(self, query: Query, pending: Sequence[Shown]) -> int:
        """How many views to decode next; none where no outcome of all that are still open would matter."""
        rest = [one for one in self._open(query.index, self.shown) if one not in pending]
        manner = self.job.manner
        case = Case(self.job.task, query, self._candidates(), self._vote(), self.job.closed)
        coming = [one.view for one in (*pending, *rest)]
        alone = manner.decode is not Decode.DFS
        return next_views(manner.stop, case, coming, self.seen[query.index], self._samples(), alone)

    def _open(self, index: int, views: Sequence[Shown]) -> list[Shown]:
        """Those that see the test input and have not been decoded for it."""
        return [one for one in views if index in one.prompts and (index, one.number) not in self.done]

    def _candidates(self) -> list[Candidate]:
        return [*self.job.known, *self.solved.candidates]

    def _vote(self) -> Vote:
        return VOTES[self.job.manner.vote]

    def _samples(self) -> int:
        """Rows of one view."""
        return self.base.profile.decoding.samples if self.job.manner.decode is Decode.SAMPLE else 1

    def _batch(self, views: Sequence[Shown], least: int) -> None:
        """Reads the views once and decodes them for every test input; in halves, if they do not fit in memory. A single
        one that does not is left out."""
        queries = self.job.task.queries()
        # What an earlier batch settled needs no reading.
        if self.deadline.passed() or not any(self._reach(query, views, least) for query in queries):
            return
        reading = Reading(self.base, views)
        try:
            self._read(reading)
            for query in queries:
                self._query(reading, query, least)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            self._keep(reading)
            return
        # Not in the handler: while the error lives, so does all that the failed batch allocated.
        reading.close()
        if len(views) == 1:
            self.done |= {(index, views[0].number) for index in views[0].prompts}
            self.solved.notes.append("out of memory decoding a single view: left out")
            return
        self.solved.notes.append(f"out of memory decoding {len(views)} views at once: halved")
        middle = len(views) // 2
        for half in (views[:middle], views[middle:]):
            self._batch(half, least)

    def _read(self, reading: Reading) -> None:
        views = reading.open(self.clock)
        self.solved.decoding.passes += 1
        self.pace.read(reading.tokens(), views.seconds)

    def _keep(self, reading: Reading) -> None:
        """Where scores are wanted, holds on to what was read, while there is room for it."""
        if not self.scoring:
            return
        self.readings.append(reading)
        if sum(one.memory() for one in self.readings) > self.memory:
            reading.close()

    def _query(self, reading: Reading, query: Query, least: int) -> None:
        """Decodes the batch's views for one test input: all, or as many as it takes to decide it, `least` at first."""
        while (pending := self._open(query.index, reading.shown)) and not self.deadline.passed():
            count = self._reach(query, pending, least)
            if not count:
                return
            self._decode(reading, query, pending[:count])
            least = 2 * count

    def _decode(self, reading: Reading, query: Query, views: Sequence[Shown]) -> None:
        """Answers of these views, all at once."""
        answers = self._answers(reading, query, views)
        found = []
        for one, generated in zip(views, answers, strict=True):
            self.done.add((query.index, one.number))
            self.seen[query.index] += 1
            self.solved.views += 1
            parsed = self._parsed(query, one, generated)
            self.solved.unparsed += not parsed
            found += parsed
        self.solved.candidates += found
        self.emit(found)

    def _parsed(self, query: Query, one: Shown, generated: Sequence[Generated]) -> list[Candidate]:
        """The view's readable answers, in the task's own frame."""
        parse = self.base.profile.format.parse
        pairs = [(parse(answer.ids) if answer.complete else None, answer.logprob) for answer in generated]
        return [
            Candidate(query, one.view.restore(grid), view=one.view, logprob=logprob, base=self.job.base)
            for grid, logprob in pairs
            if grid is not None
        ]

    def _answers(self, reading: Reading, query: Query, views: Sequence[Shown]) -> list[list[Generated]]:
        limit = views[0].limits[query.index]
        if self.job.manner.decode is Decode.SAMPLE:
            return self._samples_of(reading, query, views, limit)
        answers = self._greedy(reading, query, views, limit)
        if self.job.manner.decode is Decode.DFS:
            return self._searched(reading, query, views, limit, answers)
        return [[answer] for answer in answers]

    def _greedy(self, reading: Reading, query: Query, views: Sequence[Shown], limit: int) -> list[Generated]:
        """Each view's most probable token after the other, from a draft where there is one."""
        rows, own = reading.rows(views, query.index, limit, self.clock), reading.own_tokens(views, query.index)
        guess = draft(self.job.task, query, self._candidates(), self._vote()) if self.drafting else None
        if guess is None:
            answers, timing = write_greedily(rows, limit, self.deadline, self.clock)
        else:
            drafts = [one.answer(guess, self.base.profile).tolist() for one in views]
            answers, timing = write_from_drafts(rows, drafts, limit, self.deadline, self.clock)
            counts = self.solved.decoding
            for ids, answer in zip(drafts, answers, strict=True):
                counts.drafted += len(ids)
                counts.accepted += sum(one == other for one, other in zip(ids, answer.ids, strict=False))
            self.pace.followed(timing.steps, max(len(answer.ids) for answer in answers))
        self._account(own, timing)
        return answers

    def _searched(
        self, reading: Reading, query: Query, views: Sequence[Shown], limit: int, greedy: Sequence[Generated]
    ) -> list[list[Generated]]:
        """The greedy answers, and all others that are probable enough; of those views where there can be any."""
        threshold = self.base.profile.decoding.threshold
        found = [[answer] for answer in greedy]
        unsure = [row for row, answer in enumerate(greedy) if math.exp(answer.logprob) <= 1 - threshold]
        if not unsure:
            return found
        deadline = Deadline(self.clock() + self._share(len(views)), self.clock)
        again = [views[row] for row in unsure]
        rows, own = reading.rows(again, query.index, limit, self.clock), reading.own_tokens(again, query.index)
        drafts = [greedy[row].ids for row in unsure]
        searches, timing = search(rows, threshold, limit, deadline, drafts, self.clock)
        self._account(own, timing)
        self.pace.sought(timing.steps, max(len(greedy[row].ids) for row in unsure))
        for row, one in zip(unsure, searches, strict=True):
            found[row] += [answer for answer in one.answers if answer.ids != greedy[row].ids]
            self.solved.decoding.searches += 1
            self.solved.decoding.cut += not one.complete
        return found

    def _share(self, views: int) -> float:
        """Seconds that a search of so many views may take, if all that are to come are to have as many."""
        left = sum(len(self._open(index, self.shown)) for index in range(len(self.job.task.test_inputs)))
        return max(0.0, self.deadline.left()) * views / max(views, left)

    def _samples_of(self, reading: Reading, query: Query, views: Sequence[Shown], limit: int) -> list[list[Generated]]:
        settings, samples = self.base.profile.decoding, self._samples()
        rows = reading.rows([one for one in views for _ in range(samples)], query.index, limit, self.clock)
        own = reading.own_tokens(views, query.index)
        # One number for each sample of the whole task, whatever it is decoded with.
        first = query.index * (1 + max(one.number for one in self.shown))
        numbers = [(first + one.number) * samples + sample for one in views for sample in range(samples)]
        how = SamplingSettings(settings.temperature, settings.top_p, self.job.seed)
        answers, timing = write_samples(rows, numbers, how, limit, self.deadline, self.clock)
        self._account(own, timing)
        return [answers[start : start + samples] for start in range(0, len(answers), samples)]

    def _account(self, own: int, timing: Timing) -> None:
        """own: tokens of prompts that were read for the rows."""
        self.solved.decoding.passes += (own > 0) + timing.steps
        if own:
            self.pace.read(own, timing.prompt)
        self.pace.wrote(timing.steps, timing.answer)
