"""One task by written programs: whom is asked what, when it ends, and that whatever happens is accounted for."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from solver import induction
from solver.budget import Deadline
from solver.fusion import settled
from solver.grid import Grid
from solver.induction import (
    FEWEST_TOKENS,
    REFUSALS,
    RUN_RESERVE,
    UNREAD,
    Prompt,
    Stop,
    Texts,
    Writer,
    Written,
    write_programs,
)
from solver.jobs import WriteJob
from solver.programs.fate import Execution
from solver.programs.frames import views
from solver.programs.limits import Program
from solver.programs.prompt import REQUEST, chat_text, messages
from solver.programs.solving import ENOUGH
from solver.task import Pair, Task
from tests.fake_sandbox import FakeSandbox
from tests.tiny_text_base import tiny_text_base


def rule(grid: Grid) -> Grid:
    """Twice as large, which means the same in every view."""
    return Grid(tuple(tuple(cell for cell in row for _ in range(2)) for row in grid.rows for _ in range(2)))


INPUTS = (Grid(((1, 2, 3), (0, 0, 4))), Grid(((5, 0), (7, 8))), Grid(((0, 1, 6),)), Grid(((4, 2), (0, 9))))
TASK = Task("t", tuple(Pair(grid, rule(grid)) for grid in INPUTS[:2]), INPUTS[2:])
SOLUTION = tuple(map(rule, TASK.test_inputs))
CELLS = tuple(grid.shape[0] * grid.shape[1] for grid in TASK.test_inputs)
"""By which prompts for the two test inputs are told apart."""

JOB = WriteJob(TASK, 100.0, 7)
SECONDS = 60.0
"""How long anything is waited for that should come at once."""


def answer(line: str) -> str:
    return f"Let's solve this puzzle.\n```python\nimport numpy as np\n\ndef transform(input_grid):\n    {line}\n```\n"


RIGHT = answer("return input_grid.repeat(2, axis=0).repeat(2, axis=1)")
RIGHT_TOO = answer("return np.kron(input_grid, np.ones((2, 2), dtype=int))")
ALSO_RIGHT = answer("return np.repeat(np.repeat(input_grid, 2, 1), 2, 0)")
WRONG = answer("return input_grid")
RIGHT_FATE, WRONG_FATE = "reproduces every demonstration", "wrong on demonstration 1"


@dataclass
class Hand:
    """A clock that goes on only when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counted:
    """A clock that goes on by a second whenever it is looked at."""

    looks: int = 0

    def __call__(self) -> float:
        self.looks += 1
        return float(self.looks)


@dataclass
class Typist:
    """Writes its texts over and over, one in each second of the clock, `each` of them for one prompt."""

    clock: Hand
    texts: tuple[str, ...] = (WRONG,)
    each: int = 2
    prompts: list[Prompt] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    written: int = 0

    def __call__(self, prompt: Prompt, deadline: Deadline) -> Iterator[str] | None:
        self.prompts.append(prompt)
        self.deadlines.append(deadline)
        return self.write(deadline)

    def write(self, deadline: Deadline) -> Iterator[str]:
        for _ in range(self.each):
            self.clock.now += 1
            self.written += 1
            if deadline.passed():
                return
            yield self.texts[(self.written - 1) % len(self.texts)]


@dataclass
class Gate:
    """Where a runner says that it has come, and waits."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)


@dataclass
class Box:
    """Runs programs as the fake sandbox does. gates: before which of its calls, from 0, it waits."""

    gates: dict[int, Gate]
    calls: int = 0
    ran: list[str] = field(default_factory=list)

    def run(self, programs: Iterable[Program], deadline: Deadline) -> Iterator[tuple[int, Execution]]:
        some, gate = list(programs), self.gates.get(self.calls)
        self.calls += 1
        self.ran += [one.source for one in some]
        if gate:
            gate.reached.set()
            assert gate.opened.wait(SECONDS)
        yield from FakeSandbox(limit=10**6).run(some, deadline)


def write(texts: Texts, clock: Hand | Counted, job: WriteJob = JOB) -> Written:
    written = Written()
    write_programs(job, texts, FakeSandbox(limit=10**6), written, clock)
    return written


def shown(prompt: Prompt) -> int:
    """Which test input a prompt shows."""
    lines = prompt.text.partition("test example:\nInput:\n")[2].partition(REQUEST)[0]
    return CELLS.index(len(lines.split()))


def endless(problem: str) -> Iterator[str]:
    """Texts without a program until nobody asks for more; fails if that is never."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.001)
        yield "?"
    pytest.fail(problem)


def in_two_batches(first: Gate, second: Gate) -> Iterator[str]:
    """Three right programs: one, and two that come while it is being run; then texts until these are being run.

    A program that is right takes two calls of the runner, so the gates are before its calls 0 and 2.
    """
    yield RIGHT
    assert first.reached.wait(SECONDS)
    yield RIGHT_TOO
    yield ALSO_RIGHT
    first.opened.set()
    for text in endless("the second batch was never run"):
        yield text
        if second.reached.is_set():
            return


class TestAsking:
    def test_every_test_input_is_asked_about_in_turn(self) -> None:
        typist = Typist(Hand())
        write(typist, typist.clock)
        assert [shown(prompt) for prompt in typist.prompts] == [number % 2 for number in range(len(typist.prompts))]
        assert [prompt.number for prompt in typist.prompts] == list(range(len(typist.prompts)))
        assert len(typist.prompts) > 40

    def test_the_task_is_shown_as_it_is_then_through_views_that_the_seed_decides(self) -> None:
        def prompts(seed: int) -> list[str]:
            typist = Typist(Hand())
            write(typist, typist.clock, WriteJob(TASK, 20.0, seed))
            return [prompt.text for prompt in typist.prompts]

        first = next(views(TASK, random.Random(0)))
        assert prompts(1)[0] == prompts(2)[0] == chat_text(messages(first.episode(TASK, TASK.test_inputs[0])))
        assert prompts(1) == prompts(1)
        assert prompts(1)[1:] != prompts(2)[1:]
        assert len(set(prompts(1))) == len(prompts(1))

    @pytest.mark.parametrize(("ends", "last"), [(100.0, 100.0 - RUN_RESERVE), (8.0, 6.0)])
    def test_the_end_of_a_job_is_for_programs(self, ends: float, last: float) -> None:
        typist = Typist(Hand())
        write(typist, typist.clock, WriteJob(TASK, ends, 0))
        assert {deadline.at for deadline in typist.deadlines} == {last}


class TestDeadline:
    def test_what_was_written_by_then_has_been_run(self) -> None:
        typist = Typist(Hand(), (WRONG, "?", answer("return input_grid[9, 9]"), answer("return input_grid[")))
        written = write(typist, typist.clock, WriteJob(TASK, 44.0, 0))
        # The last 6 seconds are reserved, and the text that is under way then is lost.
        assert (written.stop, written.sampled) == (Stop.DEADLINE, 37)
        assert written.fates == {WRONG_FATE: 10, "no code block": 9, "exception: IndexError": 9, "syntax error": 9}
        assert written.perfect == 0
        assert [one.grid for one in written.candidates] == list(TASK.test_inputs)
        assert written.seconds["write"] == 38.0

    def test_the_clock_is_looked_at_when_nothing_is_written(self) -> None:
        """Of two test inputs one is too long, and for the other nothing is written."""
        numbers: list[int] = []

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str] | None:
            numbers.append(prompt.number)
            return None if prompt.number % 2 else iter(())

        clock = Counted()
        written = write(texts, clock)
        assert (written.stop, written.sampled) == (Stop.DEADLINE, 0)
        assert 10 < len(numbers) <= clock.looks < 120

    @pytest.mark.parametrize("ends", [0.0, -50.0])
    def test_a_job_whose_time_is_over_asks_nothing(self, ends: float) -> None:
        typist = Typist(Hand())
        written = write(typist, typist.clock, WriteJob(TASK, ends, 0))
        assert (written.stop, written.sampled, written.candidates, written.fates) == (Stop.DEADLINE, 0, (), {})
        assert typist.prompts == []


class TestTooLong:
    @pytest.mark.parametrize("answered", range(5))
    def test_a_task_is_given_up_when_no_prompt_fits_any_more(self, answered: int) -> None:
        """Whether none ever did, or whichever test input's was the first that does not."""
        prompts: list[Prompt] = []

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str] | None:
            prompts.append(prompt)
            return iter([WRONG]) if prompt.number < answered else None

        written = write(texts, Hand())
        assert (written.stop, written.sampled) == (Stop.TOO_LONG, answered)
        assert len(prompts) == answered + REFUSALS * len(TASK.test_inputs)
        assert sorted(written.notes) == [f"test input {index}: the prompt is too long" for index in (0, 1)]
        assert sum(written.fates.values()) == answered

    @pytest.mark.parametrize("long", [0, 1])
    def test_one_test_input_may_be_too_long_and_the_other_not(self, long: int) -> None:
        typist = Typist(Hand(), (RIGHT,))

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str] | None:
            return None if shown(prompt) == long else typist(prompt, deadline)

        written = write(texts, typist.clock)
        assert written.notes == [f"test input {long}: the prompt is too long"]
        assert {shown(prompt) for prompt in typist.prompts} == {1 - long}
        # What is written for one answers both.
        assert [one.grid for one in written.candidates] == list(SOLUTION)

    def test_a_view_that_fits_again_is_used(self) -> None:
        typist = Typist(Hand())

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str] | None:
            return typist(prompt, deadline) if prompt.number % (2 * REFUSALS) == 3 else None

        assert write(texts, typist.clock).stop is Stop.DEADLINE
        assert len(typist.prompts) == 47


class TestSettled:
    def test_enough_programs_of_one_mind_end_it(self) -> None:
        assert ENOUGH == 3

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str]:
            yield from (RIGHT, WRONG, RIGHT_TOO, ALSO_RIGHT)
            yield from endless("nothing was settled")

        written = write(texts, Hand())
        assert (written.stop, written.programs, written.perfect) == (Stop.SETTLED, 4, 3)
        assert [one.grid for one in written.candidates if one.perfect] == list(SOLUTION)
        assert settled(TASK, written.candidates)
        assert sum(written.fates.values()) == written.sampled

    def test_programs_run_while_texts_keep_coming(self) -> None:
        """The first is still being run when all others are written."""
        gate = Gate()

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str]:
            yield RIGHT
            assert gate.reached.wait(SECONDS)
            yield from (RIGHT_TOO, WRONG, ALSO_RIGHT)
            assert len(box.ran) == 1
            gate.opened.set()
            yield from endless("nothing was settled")

        box, written, threads = Box({0: gate}), Written(), set(threading.enumerate())
        write_programs(JOB, texts, box, written, Hand())
        assert written.stop is Stop.SETTLED
        assert set(threading.enumerate()) <= threads

    def test_nothing_is_read_once_it_is_settled(self) -> None:
        first, second = Gate(), Gate()
        late = [answer(f"return input_grid + {number}") for number in range(5)]

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str]:
            yield from in_two_batches(first, second)
            # They come while the programs are being run that settle the task.
            yield from late
            second.opened.set()
            yield from endless("nothing was settled")

        box, written = Box({0: first, 2: second}), Written()
        write_programs(JOB, texts, box, written, Hand())
        assert written.stop is Stop.SETTLED
        assert not any("input_grid + " in source for source in box.ran)
        assert box.calls == 4
        assert (written.programs, written.fates[RIGHT_FATE]) == (3, 3)
        assert written.fates[UNREAD] >= len(late)
        assert sum(written.fates.values()) == written.sampled

    def test_that_it_is_settled_is_noticed_without_another_text(self) -> None:
        first, second = Gate(), Gate()
        asked: list[Prompt] = []

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str]:
            asked.append(prompt)
            if prompt.number == 0:
                return in_two_batches(first, second)
            second.opened.set()
            time.sleep(0.001)
            assert len(asked) < 1000 * SECONDS
            return iter(())

        written = Written()
        write_programs(JOB, texts, Box({0: first, 2: second}), written, Hand())
        assert written.stop is Stop.SETTLED
        assert written.perfect == 3


class TestFailures:
    def test_what_was_written_before_a_failure_counts(self) -> None:
        """What waited while a program was being run as well."""
        gate = Gate()

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str]:
            yield RIGHT
            assert gate.reached.wait(SECONDS)
            yield from (RIGHT_TOO, WRONG)
            gate.opened.set()
            raise RuntimeError("out of memory")

        written = Written()
        with pytest.raises(RuntimeError, match="out of memory"):
            write_programs(JOB, texts, Box({0: gate}), written, Hand())
        assert [one.grid for one in written.candidates if one.perfect] == list(SOLUTION)
        assert (written.sampled, written.programs, written.perfect) == (3, 3, 2)
        assert written.fates == {RIGHT_FATE: 2, WRONG_FATE: 1}

    def test_a_prompt_that_fails_costs_nothing_that_was_written_before(self) -> None:
        clock = Hand()

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str]:
            if prompt.number:
                raise RuntimeError("out of memory")
            clock.now += 3
            return iter([RIGHT])

        written = Written()
        with pytest.raises(RuntimeError, match="out of memory"):
            write_programs(JOB, texts, FakeSandbox(limit=10**6), written, clock)
        assert [one.grid for one in written.candidates] == list(SOLUTION)
        assert written.seconds["write"] == 3.0

    @pytest.mark.parametrize("calls", [0, 2])
    def test_a_runner_that_fails_ends_the_job(self, calls: int) -> None:
        class Broken(Box):
            def run(self, programs: Iterable[Program], deadline: Deadline) -> Iterator[tuple[int, Execution]]:
                if self.calls == calls:
                    raise OSError("no process can be started")
                yield from Box.run(self, programs, deadline)

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str]:
            yield from (RIGHT, RIGHT_TOO, WRONG)
            yield from endless("the failure was not noticed")

        written, threads = Written(), set(threading.enumerate())
        with pytest.raises(OSError, match="no process can be started"):
            write_programs(JOB, texts, Broken({}), written, Hand())
        assert set(threading.enumerate()) <= threads
        assert written.perfect == calls // 2
        assert sum(written.fates.values()) == written.sampled > 0

    def test_a_runner_that_fails_last_of_all_is_noticed(self) -> None:
        """With what had to wait until the time for texts was over."""

        class Broken(Box):
            def run(self, programs: Iterable[Program], deadline: Deadline) -> Iterator[tuple[int, Execution]]:
                if self.calls == 1:
                    raise OSError("no process can be started")
                yield from Box.run(self, programs, deadline)

        def texts(prompt: Prompt, deadline: Deadline) -> Iterator[str]:
            yield RIGHT
            clock.now = deadline.at

        clock, written = Hand(), Written()
        with pytest.raises(OSError, match="no process can be started"):
            write_programs(JOB, texts, Broken({}), written, clock)
        assert (written.sampled, written.perfect, written.fates) == (1, 0, {"returned": 1})


class TestWriter:
    """A base's answers; here they are noise."""

    @pytest.fixture
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (("MOST_TOKENS", 24), ("FEWEST_TOKENS", 8), ("MOST_ROWS", 2), ("TEXTS_PER_ROW", 3)):
            monkeypatch.setattr(induction, name, value)

    @pytest.mark.usefixtures("few")
    def test_so_many_texts_for_a_prompt_and_then_the_next(self) -> None:
        writer = Writer(tiny_text_base(), 5, pytest.fail)

        def texts(number: int) -> list[str]:
            answers = writer(Prompt(number, "a prompt"), Deadline.never())
            assert answers is not None
            return list(answers)

        assert len(texts(0)) == 6
        assert texts(0) == texts(0)
        # The same prompt asked another time has other answers.
        assert texts(0) != texts(1)

    @pytest.mark.usefixtures("few")
    def test_nothing_is_written_after_the_deadline(self) -> None:
        answers = Writer(tiny_text_base(), 5, pytest.fail)(Prompt(0, "a prompt"), Deadline.after(-1))
        assert answers is not None
        assert list(answers) == []

    def test_a_prompt_is_too_long_where_it_leaves_no_room_for_an_answer(self) -> None:
        base = tiny_text_base()
        writer = Writer(base, 5, pytest.fail)
        longest = base.context - FEWEST_TOKENS
        assert writer(Prompt(0, "a" * longest), Deadline.after(-1)) is not None
        assert writer(Prompt(0, "a" * (longest + 1)), Deadline.never()) is None

    @pytest.mark.usefixtures("few")
    def test_from_a_task_to_texts_that_are_read(self) -> None:
        clock = Counted()
        written = write(Writer(tiny_text_base(), 5, pytest.fail), clock, WriteJob(TASK, 400.0, 5))
        assert written.stop is Stop.DEADLINE
        assert written.sampled > 6
        assert sum(written.fates.values()) == written.sampled
