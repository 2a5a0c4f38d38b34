"""Whatever workers say, in whatever order: the submission stays whole, and the journal can be resumed from."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Candidate, Channel, check_submission, read_submission
from solver.fusion import Branch
from solver.grid import Grid
from solver.jobs import Finished, Partial, Searched
from solver.journal import Journal, read_journal
from solver.ledger import Ledger
from solver.records import Outcome, SearchRecord, TaskRecord
from solver.run_state import Settings, new_run
from solver.task import Task
from tests.fake_search import program_candidates
from tests.fake_worker import PROFILE, answers, make_tasks

TASKS = make_tasks(3)
GRIDS = [Grid(((colour, colour),)) for colour in range(4)]


@contextmanager
def ledger_in(folder: Path) -> Iterator[Ledger]:
    plain = Settings(folder / "s.json", folder, PROFILE, 600.0, time.monotonic(), ("cpu",), searchers=1)
    state = new_run(plain, TASKS, time.monotonic)
    with Journal(plain.journal) as journal:
        journal.append("run", **plain.to_json(TASKS))
        ledger = Ledger(state, journal, TASKS)
        ledger.submit()
        yield ledger


def model_candidates(task: Task) -> st.SearchStrategy[tuple[Candidate, ...]]:
    one = st.builds(Candidate, st.sampled_from(task.queries()), st.sampled_from(GRIDS))
    return st.lists(one, max_size=4).map(tuple)


@st.composite
def searched(draw: st.DrawFn, task: Task) -> Searched:
    answer = st.tuples(*[st.sampled_from(GRIDS)] * len(task.test_inputs))
    candidates = [
        Candidate(query, grid, Channel.PROGRAM, program="p", cost=2.0, perfect=perfect)
        for grids, perfect in draw(st.lists(st.tuples(answer, st.booleans()), max_size=3))
        for query, grid in zip(task.queries(), grids, strict=True)
    ]
    error = draw(st.none() | st.just("ValueError: x"))
    return Searched(0, task.id, () if error else tuple(candidates), "deadline", error=error)


def events() -> st.SearchStrategy[list[object]]:
    """What may happen to tasks: candidates, ends of passes, deaths, searches."""
    any_task = st.sampled_from(TASKS)
    partial = any_task.flatmap(lambda task: st.builds(Partial, st.just(0), st.just(task.id), model_candidates(task)))
    finished = st.builds(
        Finished,
        st.just(0),
        any_task.map(lambda task: task.id),
        views=st.integers(0, 1),
        planned_views=st.just(1),
        error=st.none() | st.just("RuntimeError: x"),
    )
    death = any_task.map(lambda task: f"death {task.id}")
    return st.lists(st.one_of(partial, finished, death, any_task.flatmap(searched)), max_size=8)


@settings(deadline=None, max_examples=40)
@given(happened=events())
def test_after_every_event_the_submission_is_whole_and_holds_what_both_channels_have(happened: list[object]) -> None:
    with TemporaryDirectory() as name, ledger_in(Path(name)) as ledger:
        state = ledger.state
        for event in happened:
            match event:
                case Partial():
                    ledger.collect(event)
                case Finished():
                    ledger.finished(event, number=0)
                case Searched():
                    ledger.searched(event)
                case str():
                    ledger.broken.add(event.split()[1])
            output = state.settings.output
            assert check_submission(json.loads(output.read_text()), TASKS, "s") == []
            assert read_submission(output) == state.answers
            if isinstance(event, Finished | Searched):
                for query, attempts in state.answers.items():
                    if query.task_id == event.task_id:
                        found = {one.grid for one in state.candidates(query.task_id) if one.query == query}
                        both = {attempts.first, attempts.second}
                        assert len(both) == 2
                        assert len(both & found) == min(2, len(found))
        resumed = new_run(replace(state.settings, resume=True), TASKS, time.monotonic)
        kept = {key: one for key, one in state.searches.items() if one.status is Outcome.DONE}
        # A search that failed after one that did not cannot happen in a run: none is done twice.
        assert kept.items() <= resumed.searches.items()
        assert len(read_journal(state.settings.journal)) == 1 + sum(
            isinstance(e, Finished | Searched) for e in happened
        )


def test_a_record_holds_its_channels_candidates_and_how_both_were_fused(tmp_path: Path) -> None:
    task = TASKS[0]
    with ledger_in(tmp_path) as ledger:
        ledger.searched(Searched(1, task.id, program_candidates(task), "memory", 5, 1.23456, 2, 1, 99))
        search = ledger.state.searches[task.id]
        assert search == SearchRecord(
            task.id,
            Outcome.DONE,
            program_candidates(task),
            search.attempts,
            (Branch.PROGRAM_ONLY,),
            stop="memory",
            states=5,
            seconds=1.235,
            answers=2,
            perfect=1,
            unique=True,
            peak_memory=99,
            worker=1,
        )
        ledger.collect(Partial(0, task.id, answers(task, 1)))
        ledger.finished(Finished(2, task.id, 3, 3, error="x"), number=1)
        record = ledger.state.records[task.id]
        assert record == TaskRecord(
            task.id,
            Outcome.FAILED,
            answers(task, 1),
            record.attempts,
            (Branch.PROGRAM_FIRST,),
            error="x",
            pass_number=1,
            worker=2,
        )
        assert record.attempts[0].first == search.attempts[0].first
        ledger.problem("bad luck")
        assert ledger.state.problems == ["bad luck"]
    assert [event["event"] for event in read_journal(tmp_path / "journal.jsonl")] == [
        "run",
        "search",
        "task",
        "problem",
    ]


def test_another_tries_candidates_replace_those_of_the_try_that_died(tmp_path: Path) -> None:
    task = TASKS[0]
    with ledger_in(tmp_path) as ledger:
        ledger.collect(Partial(0, task.id, answers(task, 1)))
        ledger.searched(Searched(0, task.id, program_candidates(task)))
        ledger.broken.add(task.id)
        assert ledger.state.found[task.id] == list(answers(task, 1))
        ledger.collect(Partial(0, task.id, answers(task, 2)))
        ledger.collect(Partial(0, task.id, answers(task, 3)))
        assert ledger.state.found[task.id] == [*answers(task, 2), *answers(task, 3)]
        assert ledger.state.searches[task.id].candidates == program_candidates(task)
