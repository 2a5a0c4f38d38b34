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
from solver.jobs import Finished, Partial, Rated, Searched, Wrote
from solver.journal import Journal, read_journal
from solver.ledger import Ledger
from solver.profiles import Profile
from solver.records import InductionRecord, Outcome, SearchRecord, TaskRecord
from solver.run_state import new_run
from solver.settings import Settings
from solver.task import Task
from tests.fake_search import program_candidates
from tests.fake_worker import PROFILE, answers, make_tasks
from tests.fake_writer import written_candidates

TASKS = make_tasks(3)
GRIDS = [Grid(((colour, colour),)) for colour in range(4)]


@contextmanager
def ledger_in(folder: Path, profiles: tuple[Profile, ...] = (PROFILE,)) -> Iterator[Ledger]:
    began = time.monotonic()
    plain = Settings(folder / "s.json", folder, profiles, 600.0, began, ("cpu",), searchers=1, writer=Path("writer"))
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


@st.composite
def wrote(draw: st.DrawFn, task: Task) -> Wrote:
    """The end of a job that wrote programs; one that failed may have answers, one that was late has none."""
    one = st.tuples(st.sampled_from(task.queries()), st.sampled_from(GRIDS), st.booleans(), st.floats(-2, 4))
    candidates = [
        Candidate(query, grid, Channel.INDUCTION, program="p", cost=cost, perfect=perfect)
        for query, grid, perfect, cost in draw(st.lists(one, max_size=4))
    ]
    late, error = draw(st.sampled_from([(False, None), (True, None), (False, "RuntimeError: x")]))
    return Wrote(0, task.id, () if late else tuple(candidates), "deadline", late, error=error)


def events() -> st.SearchStrategy[list[object]]:
    """What may happen to tasks: candidates, ends of passes, deaths, searches, written programs."""
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
    programs = any_task.flatmap(searched) | any_task.flatmap(wrote)
    return st.lists(st.one_of(partial, finished, death, programs), max_size=8)


@settings(max_examples=40)
@given(happened=events())
def test_after_every_event_the_submission_is_whole_and_holds_what_all_channels_have(happened: list[object]) -> None:
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
                case Wrote():
                    ledger.written(event)
                case str():
                    ledger.state.bases[0].broken.add(event.split()[1])
            output = state.settings.output
            assert check_submission(json.loads(output.read_text()), TASKS, "s") == []
            assert read_submission(output) == state.answers
            if isinstance(event, Finished | Searched | Wrote):
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
        done = {key: one for key, one in state.inductions.items() if one.status is Outcome.DONE}
        assert done.items() <= resumed.inductions.items()
        assert not done.keys() & set(resumed.inducing.waiting)
        assert len(read_journal(state.settings.journal)) == 1 + sum(
            isinstance(e, Finished | Searched | Wrote) for e in happened
        )


def test_a_record_holds_its_channels_candidates_and_how_all_were_fused(tmp_path: Path) -> None:
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
        record = ledger.state.bases[0].records[task.id]
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
        fates = {"time": 7, "returned": 2}
        found = written_candidates(task)[:1]
        ledger.written(Wrote(3, task.id, found, "settled", False, 9, 5, 2, fates, {"run": 0.12345}, ("n",), 7))
        written = ledger.state.inductions[task.id]
        assert written == InductionRecord(
            task.id,
            Outcome.DONE,
            found,
            written.attempts,
            (Branch.PROGRAM_FIRST,),
            stop="settled",
            sampled=9,
            programs=5,
            perfect=2,
            unique=True,
            fates=fates,
            seconds={"run": 0.123},
            notes=("n",),
            peak_memory=7,
            worker=3,
        )
        assert written.attempts == record.attempts, "it says what the search said"
        ledger.problem("bad luck")
        assert ledger.state.problems == ["bad luck"]
    assert [event["event"] for event in read_journal(tmp_path / "journal.jsonl")] == [
        "run",
        "search",
        "task",
        "programs",
        "problem",
    ]


def test_how_the_writing_of_programs_ended(tmp_path: Path) -> None:
    one, two, three = TASKS
    with ledger_in(tmp_path) as ledger:
        ledger.written(Wrote(0, one.id, written_candidates(one), error="ValueError: x"))
        ledger.written(Wrote(0, two.id, stop="deadline", late=True))
        ledger.written(Wrote(0, three.id, stop="prompt too long"))
        ends = {task_id: record.status for task_id, record in ledger.state.inductions.items()}
    assert ends == {one.id: Outcome.FAILED, two.id: Outcome.TIMED_OUT, three.id: Outcome.DONE}


def test_another_tries_candidates_replace_those_of_the_try_that_died(tmp_path: Path) -> None:
    task = TASKS[0]
    with ledger_in(tmp_path) as ledger:
        ledger.collect(Partial(0, task.id, answers(task, 1)))
        ledger.searched(Searched(0, task.id, program_candidates(task)))
        ledger.state.bases[0].broken.add(task.id)
        assert ledger.state.bases[0].found[task.id] == list(answers(task, 1))
        ledger.collect(Partial(0, task.id, answers(task, 2)))
        ledger.collect(Partial(0, task.id, answers(task, 3)))
        assert ledger.state.bases[0].found[task.id] == [*answers(task, 2), *answers(task, 3)]
        assert ledger.state.searches[task.id].candidates == program_candidates(task)


def test_a_new_try_is_told_what_stands_and_not_what_it_replaces(tmp_path: Path) -> None:
    task = TASKS[0]
    programs = program_candidates(task)
    with ledger_in(tmp_path) as ledger:
        assert ledger.known(task.id) == []
        ledger.searched(Searched(0, task.id, programs))
        ledger.collect(Partial(0, task.id, answers(task, 1)))
        assert ledger.known(task.id) == [*answers(task, 1), *programs]
        ledger.state.bases[0].broken.add(task.id)
        assert ledger.known(task.id) == list(programs)
        ledger.collect(Partial(0, task.id, answers(task, 2)))
        ledger.finished(Finished(0, task.id, 3, 3), number=0)
        ledger.collect(Partial(0, task.id, answers(task, 3)))
        assert ledger.known(task.id) == [*answers(task, 2), *answers(task, 3), *programs]
        ledger.state.bases[0].broken.add(task.id)
        assert ledger.known(task.id) == [*answers(task, 2), *programs]


def test_new_scores_take_the_place_of_all_that_were_there(tmp_path: Path) -> None:
    task = TASKS[1]
    one, two = task.queries()
    found = (
        Candidate(one, GRIDS[0]),
        Candidate(one, GRIDS[1]),
        Candidate(one, GRIDS[0]),
        Candidate(two, GRIDS[0]),
        Candidate(two, GRIDS[2]),
    )
    with ledger_in(tmp_path) as ledger:
        ledger.collect(Partial(0, task.id, found))
        ledger.rated(Rated(0, task.id, {one: {GRIDS[0]: -1.0, GRIDS[1]: -2.0}, two: {GRIDS[0]: -3.0}}))
        assert [candidate.score for candidate in ledger.state.bases[0].found[task.id]] == [-1.0, -2.0, -1.0, -3.0, None]
        # Other views: what they did not score has no score any more. The other test input was not scored again.
        ledger.rated(Rated(0, task.id, {one: {GRIDS[1]: -0.5}}))
        assert [candidate.score for candidate in ledger.state.bases[0].found[task.id]] == [None, -0.5, None, -3.0, None]
        ledger.finished(Finished(0, task.id, 3, 3, decoding={"views": 3}), number=0)
        state = ledger.state
        assert state.bases[0].records[task.id].decoding == {"views": 3}
        resumed = new_run(replace(state.settings, resume=True, vote="poe"), TASKS, time.monotonic)
        assert resumed.bases[0].found[task.id] == state.bases[0].found[task.id]
        assert resumed.fused(task.id)[0].attempts.first == GRIDS[1]
        assert resumed.fused(task.id)[1].attempts.first == GRIDS[0]


def test_every_base_has_its_own_tries_and_all_scores_come_from_the_last(tmp_path: Path) -> None:
    task = TASKS[0]
    (query,) = task.queries()
    profiles = (PROFILE, replace(PROFILE, name="large"))
    with ledger_in(tmp_path, profiles=profiles) as ledger:
        state = ledger.state
        early, late = state.bases
        ledger.collect(Partial(0, task.id, answers(task, 1)), 0)
        said = {one.grid for one in answers(task, 1)}
        ledger.rated(Rated(0, task.id, {query: dict.fromkeys(said, -1.0)}))
        ledger.finished(Finished(0, task.id, 3, 3), number=0, base=0)
        ledger.collect(Partial(0, task.id, answers(task, 2, base=1)), 1)
        late.broken.add(task.id)
        # The early one's stay; those of the try that died do not.
        assert ledger.known(task.id, 1) == early.found[task.id]
        assert ledger.known(task.id, 0) == [*early.found[task.id], *late.found[task.id]]
        ledger.collect(Partial(0, task.id, answers(task, 3, base=1)), 1)
        assert (early.found[task.id][0].base, late.found[task.id]) == (0, list(answers(task, 3, base=1)))
        kept = early.found[task.id][0].grid
        ledger.rated(Rated(0, task.id, {query: {kept: -2.0, late.found[task.id][0].grid: -3.0}}))
        assert {one.score for one in early.found[task.id]} == {-2.0, None}
        ledger.finished(Finished(0, task.id, 3, 3), number=0, base=1)
        assert {one.score for one in early.records[task.id].candidates} == {-1.0}
        record = late.records[task.id]
        assert record.candidates == tuple(late.found[task.id])
        assert record.others == (Candidate(query, kept, score=-2.0),)
        resumed = new_run(replace(state.settings, resume=True, vote="poe"), TASKS, time.monotonic)
        assert [base.found for base in resumed.bases] == [base.found for base in state.bases]
        assert [base.records for base in resumed.bases] == [base.records for base in state.bases]


def test_views_that_were_left_out_are_not_missing(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        for task, saved in zip(TASKS[:2], (7, 6), strict=True):
            ledger.finished(Finished(0, task.id, 9, 16, saved), number=0)
        statuses = [ledger.state.bases[0].records[task.id].status for task in TASKS[:2]]
    assert statuses == [Outcome.DONE, Outcome.TIMED_OUT]
