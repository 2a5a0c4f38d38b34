from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Attempts, Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.fusion import SHORT, Branch
from solver.grid import Grid, InputError
from solver.journal import Journal
from solver.records import INDUCTION_EVENT, SEARCH_EVENT, TASK_EVENT, InductionRecord, Outcome, SearchRecord, TaskRecord
from solver.run_state import Run, new_run
from solver.scheduler import LEAST_VISIT, WARM_UP_SHARE, induction_policy, search_policy
from solver.settings import CONCERNS, VOTES, Settings
from solver.task import Query, Task
from solver.voting import fallback
from tests.fake_worker import PROFILE, make_tasks

A, B, C = (Grid(((colour,),)) for colour in range(3))
BEGAN = 500.0
WRITER = Path("writer")


def make_settings(folder: Path, **changes: Any) -> Settings:
    plain = Settings(
        folder / "submission.json", folder / "run", (PROFILE,), 600.0, BEGAN, ("cpu", "cpu"), passes=3, seed=5
    )
    return replace(plain, **changes)


def candidate(query: Query, grid: Grid, dihedral: Dihedral = Dihedral.IDENTITY) -> Candidate:
    return Candidate(query, grid, view=View(Transform(dihedral), (0, 1)))


def record(task: Task, status: Outcome, number: int = 0, grid: Grid = A) -> TaskRecord:
    found = tuple(candidate(query, grid) for query in task.queries())
    return TaskRecord(task.id, status, found, (Attempts(grid, C),) * len(task.test_inputs), pass_number=number)


def votes(state: Run, task_id: str) -> tuple[Attempts, ...]:
    return tuple(fused.attempts for fused in state.fused(task_id))


def write_journal(settings: Settings, tasks: tuple[Task, ...], *records: TaskRecord) -> None:
    with Journal(settings.journal) as journal:
        journal.append("run", **settings.to_json(tasks))
        for one in records:
            journal.append(TASK_EVENT, **one.to_json())


def fresh(folder: Path, tasks: tuple[Task, ...], **changes: Any) -> Run:
    return new_run(make_settings(folder, **changes), tasks, lambda: BEGAN)


class TestSettings:
    @settings(max_examples=100)
    @given(budget=st.floats(0.1, 1e6))
    def test_work_stops_before_the_budget_ends(self, budget: float) -> None:
        made = make_settings(Path("nowhere"), budget=budget)
        assert BEGAN + budget - made.stop() >= 1.5 - 1e-6
        assert BEGAN + budget - made.stop() <= 30.0 + 1e-6

    @pytest.mark.parametrize(("budget", "reserve"), [(4.0, 1.5), (600.0, 6.0), (43200.0, 30.0)])
    def test_reserve(self, budget: float, reserve: float) -> None:
        assert make_settings(Path("nowhere"), budget=budget).reserve() == reserve

    def test_only_what_decides_answers_is_fixed(self) -> None:
        tasks = make_tasks(3)
        plain = make_settings(Path("nowhere"))
        plain = replace(plain, searchers=1)
        free = {
            "searchers": 3,
            "search_memory": 5,
            "budget": 9.0,
            "began": 0.0,
            "devices": ("cuda:0",),
            "threads": 3,
            "vote": "flat",
            "passes": 1,
        }
        assert plain.fixed(tasks)["programs_base"] is plain.fixed(tasks)["programs_weights"] is None
        assert replace(plain, writer=Path("base")).fixed(tasks) != plain.fixed(tasks)
        assert replace(plain, **free).fixed(tasks) == plain.fixed(tasks)
        assert plain.fixed(tasks[::-1]) == plain.fixed(tasks)
        for name, other in {"seed": 6, "quantize": "none", "ttt": False, "ttt_steps": 4}.items():
            assert replace(plain, **{name: other}).fixed(tasks) != plain.fixed(tasks), name
        assert replace(plain, profiles=(replace(PROFILE, name="other"),)).fixed(tasks) != plain.fixed(tasks)
        assert plain.fixed(tasks[:2]) != plain.fixed(tasks)
        assert plain.fixed((replace(tasks[0], train=tasks[1].train), *tasks[1:])) != plain.fixed(tasks)


class TestNewRun:
    def test_every_query_has_its_fallback_from_the_first_moment(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        state = fresh(tmp_path, tasks)
        queries = [query for task in tasks for query in task.queries()]
        assert list(state.answers) == queries
        for task in tasks:
            for query in task.queries():
                assert state.answers[query] == fallback(task, query.index)
        assert state.bases[0].records == {}
        assert state.bases[0].found == {task.id: [] for task in tasks}
        assert not (tmp_path / "run").exists()

    def test_the_scheduler_gets_the_tasks_easiest_first_and_the_settings(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        scheduler = fresh(tmp_path, tasks[::-1]).bases[0].scheduler
        assert scheduler.waiting == [task.id for task in tasks]
        assert scheduler.policy.stop == BEGAN + 594.0
        assert (scheduler.policy.workers, scheduler.policy.passes) == (2, 3)

    def test_seconds_left_are_those_of_the_whole_budget(self, tmp_path: Path) -> None:
        now = BEGAN
        state = new_run(make_settings(tmp_path), make_tasks(1), lambda: now)
        assert state.left() == 600.0
        now += 700.0
        assert state.left() == -100.0


class TestVote:
    def test_each_test_input_has_its_own_ballot(self, tmp_path: Path) -> None:
        state = fresh(tmp_path, make_tasks(2))
        one, two = Query("task01", 0), Query("task01", 1)
        state.bases[0].found["task01"] = [candidate(one, A), candidate(two, B), candidate(one, A), candidate(one, C)]
        first, second = votes(state, "task01")
        assert first == Attempts(A, C)
        assert second.first == B != second.second

    def test_without_candidates_it_is_the_fallback(self, tmp_path: Path) -> None:
        tasks = make_tasks(2)
        assert votes(fresh(tmp_path, tasks), "task01") == tuple(fallback(tasks[1], index) for index in range(2))

    def test_the_vote_is_the_one_asked_for(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        query = Query("task00", 0)
        # A is said most often, B and C by more symmetries.
        found = [candidate(query, A)] * 5 + [
            candidate(query, grid, dihedral) for grid in (B, C) for dihedral in (Dihedral.ROT90, Dihedral.ROT180)
        ]
        answers = {}
        for vote in VOTES:
            state = fresh(tmp_path, tasks, vote=vote)
            state.bases[0].found["task00"] = list(found)
            answers[vote] = votes(state, "task00")[0]
        by_count = Attempts(A, B)
        # Nothing was scored, so votes by scores count.
        assert answers == {"flat": by_count, "hierarchical": Attempts(B, C), "poe": by_count, "poe+counts": by_count}
        state.bases[0].found["task00"] = [replace(one, score=float(one.grid == C)) for one in found]
        assert votes(state, "task00")[0] == Attempts(C, A)

    def test_doubt(self, tmp_path: Path) -> None:
        state = fresh(tmp_path, make_tasks(2))
        one, two = Query("task01", 0), Query("task01", 1)
        assert state.doubt("task01") == 1
        state.bases[0].found["task01"] = [candidate(one, A)]
        assert state.doubt("task01") == 1, "one test input without a candidate"
        state.bases[0].found["task01"] += [candidate(two, A)] * 3 + [candidate(two, B)]
        assert state.doubt("task01") == 0.25
        state.bases[0].found["task01"] += [candidate(one, B)]
        assert state.doubt("task01") == 0.5
        state.bases[0].found["task00"] = [candidate(Query("task00", 0), C)] * 2
        assert state.doubt("task00") == 0


def program(query: Query, grid: Grid, cost: float = 2.0, perfect: bool = True) -> Candidate:
    return Candidate(query, grid, Channel.PROGRAM, program="p", cost=cost, perfect=perfect)


def searched(task: Task, *grids: Grid, cost: float = 2.0, status: Outcome = Outcome.DONE) -> SearchRecord:
    """A search whose perfect programs say this to every test input."""
    found = tuple(program(query, grid, cost) for grid in grids for query in task.queries())
    return SearchRecord(task.id, status, found)


def induced(task: Task, *grids: Grid, cost: float = SHORT, status: Outcome = Outcome.DONE) -> InductionRecord:
    """Written programs that are perfect and say this to every test input."""
    found = tuple(
        Candidate(query, grid, Channel.INDUCTION, program="p", cost=cost, perfect=True)
        for query in task.queries()
        for grid in grids
    )
    return InductionRecord(task.id, status, found)


class TestBases:
    """A first base and one that comes after it."""

    PROFILES = (PROFILE, replace(PROFILE, name="large"))

    def begun(self, folder: Path, tasks: tuple[Task, ...], **changes: Any) -> Run:
        return fresh(folder, tasks, profiles=self.PROFILES, **changes)

    def visit(self, state: Run, task: Task, *grids: Grid, base: int = 0, status: Outcome = Outcome.DONE) -> None:
        """A base's pass over a task ends that found these grids for every test input."""
        visits = state.bases[base]
        visits.scheduler.waiting.remove(task.id)
        visits.scheduler.passes[task.id] = 1
        found = [replace(candidate(query, grid), base=base) for query in task.queries() for grid in grids]
        visits.found[task.id] += found
        state.visited(TaskRecord(task.id, status, tuple(found), base=base))

    def test_the_second_begins_with_the_easiest_while_nothing_is_known(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        first, second = self.begun(tmp_path, tasks[::-1]).bases
        assert first.scheduler.waiting == second.scheduler.waiting == [task.id for task in tasks]
        assert (first.scheduler.policy.passes, first.scheduler.policy.least) == (1, 0.0)
        assert (second.scheduler.policy.passes, second.scheduler.policy.least) == (3, LEAST_VISIT)
        assert second.scheduler.policy.stop == BEGAN + 594.0

    def test_what_the_first_says_decides_the_order(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        state = self.begun(tmp_path, tasks)
        later = state.bases[1].scheduler
        self.visit(state, tasks[0], A, A, A)
        assert (later.waiting, later.deferred) == (["task01", "task02", "task03"], ["task00"])
        # A little doubt about one task, and nothing known of another that is less than three times as long.
        self.visit(state, tasks[1], *[A] * 9, B)
        assert later.waiting == ["task02", "task03", "task01"]
        state.searched(searched(tasks[2], A, cost=SHORT))
        assert (later.waiting, later.deferred) == (["task03", "task01"], ["task00", "task02"])
        state.searched(searched(tasks[0], A, B))
        assert later.deferred == ["task00", "task02"], "programs may disagree, one says what all views say"
        state.searched(searched(tasks[2], A, B))
        assert later.waiting == ["task02", "task03", "task01"], "what settled it was contradicted"

    def test_what_was_cut_short_says_nothing(self, tmp_path: Path) -> None:
        tasks = make_tasks(3)
        state = self.begun(tmp_path, tasks)
        self.visit(state, tasks[0], A, status=Outcome.TIMED_OUT)
        self.visit(state, tasks[1], A, status=Outcome.FAILED)
        assert state.doubt("task00") == 0
        assert state.doubt_before("task00") == state.doubt_before("task01") == 1
        assert state.bases[1].scheduler.waiting == ["task00", "task01", "task02"]
        state.searched(searched(tasks[1], B, cost=SHORT + 1))
        assert state.doubt_before("task01") == 0
        assert state.bases[1].scheduler.deferred == ["task01"]

    def test_a_task_that_the_second_has_visited_needs_no_early_answer(self, tmp_path: Path) -> None:
        tasks = make_tasks(2)
        state = self.begun(tmp_path, tasks)
        self.visit(state, tasks[0], A, base=1)
        assert state.bases[0].scheduler.waiting == ["task01"]
        assert state.candidates("task00") == state.bases[1].found["task00"]
        assert state.reached() == ["task00"]

    def test_both_vote(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        state = self.begun(tmp_path, tasks)
        self.visit(state, tasks[0], A, A, B)
        assert votes(state, "task00") == (Attempts(A, B),)
        self.visit(state, tasks[0], B, B, base=1)
        assert votes(state, "task00") == (Attempts(B, A),)
        alone = [state.base_alone(base)[Query("task00", 0)] for base in state.bases]
        assert [one.first for one in alone] == [A, B]

    def test_resumed(self, tmp_path: Path) -> None:
        tasks = make_tasks(5)
        made = make_settings(tmp_path, profiles=self.PROFILES)
        late = [replace(record(task, Outcome.DONE, grid=B), base=1) for task in (tasks[1], tasks[3])]
        early = [record(tasks[0], Outcome.DONE), record(tasks[1], Outcome.DONE), record(tasks[2], Outcome.TIMED_OUT)]
        write_journal(made, tasks, *early, *late)
        state = self.begun(tmp_path, tasks, resume=True)
        first, second = state.bases
        assert (first.records.keys(), second.records.keys()) == ({"task00", "task01"}, {"task01", "task03"})
        assert first.scheduler.waiting == ["task02", "task04"], "a task that the second has visited is left out"
        # All that the first said of task00 is one thing; of task02 it was cut short.
        assert (second.scheduler.waiting, second.scheduler.deferred) == (["task02", "task04"], ["task00"])
        assert (first.stale, second.stale) == ({"task02"}, set())
        assert second.scheduler.passes == {"task01": 1, "task03": 1}
        assert second.scheduler.doubt == {"task01": 0.5, "task03": 0}
        assert state.answers[Query("task01", 0)] == votes(state, "task01")[0]
        assert {state.answers[Query("task01", 0)].first, state.answers[Query("task01", 0)].second} == {A, B}
        assert state.answers[Query("task03", 0)].first == B

    def test_resumed_with_the_scores_that_were_given_last(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        query = Query("task00", 0)
        made = make_settings(tmp_path, profiles=self.PROFILES, vote="poe")
        early = TaskRecord(
            "task00", Outcome.DONE, (replace(candidate(query, A), score=-1.0), replace(candidate(query, B), score=-9.0))
        )
        late = TaskRecord(
            "task00",
            Outcome.DONE,
            (replace(candidate(query, C), score=-5.0, base=1), replace(candidate(query, C), score=-5.0, base=1)),
            base=1,
            others=(Candidate(query, B, score=-2.0),),
        )
        write_journal(made, tasks, early, late)
        state = self.begun(tmp_path, tasks, resume=True, vote="poe")
        assert [one.score for one in state.candidates("task00")] == [None, -2.0, -5.0, -5.0]
        assert state.answers[query] == Attempts(B, C)
        # By itself each has the scores that it gave.
        assert [state.base_alone(base)[query].first for base in state.bases] == [A, C]


class TestChannels:
    @pytest.mark.parametrize(
        ("changes", "channels", "turns"),
        [
            ({}, ["ttt"], False),
            ({"searchers": 2}, ["ttt", "search"], True),
            ({"searchers": 2, "devices": ("cuda:0", "cuda:1")}, ["ttt", "search"], False),
            ({"searchers": 2, "devices": (None,)}, ["ttt", "search"], False),
            ({"searchers": 2, "devices": (), "profiles": ()}, ["search"], False),
            ({"writer": WRITER}, ["ttt", "programs"], False),
            ({"writer": WRITER, "searchers": 2}, ["ttt", "search", "programs"], True),
            ({"writer": WRITER, "searchers": 2, "profiles": ()}, ["search", "programs"], True),
            ({"writer": WRITER, "searchers": 2, "devices": ("cuda:0",)}, ["ttt", "search", "programs"], False),
            ({"writer": WRITER, "profiles": ()}, ["programs"], False),
        ],
    )
    def test_which_and_whether_one_waits_for_the_other(
        self, changes: dict[str, Any], channels: list[str], turns: bool
    ) -> None:
        made = make_settings(Path("nowhere"), **changes)
        assert (made.channels(), made.turns()) == (channels, turns)
        assert made.fixed(make_tasks(1))["channels"] == channels
        assert json.loads(json.dumps(made.to_json(make_tasks(1))))["channels"] == channels

    def test_each_has_its_scheduler(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        both = fresh(tmp_path, tasks[::-1], searchers=3)
        assert both.searching.waiting == both.bases[0].scheduler.waiting == [task.id for task in tasks]
        assert both.searching.policy == search_policy(BEGAN, BEGAN + 594.0, 3, True, WARM_UP_SHARE)
        alone = fresh(tmp_path, tasks, searchers=3, profiles=(), devices=())
        assert (len(alone.searching.waiting), alone.bases) == (4, ())
        assert alone.searching.policy.stop == BEGAN + 594.0
        assert fresh(tmp_path, tasks).searching.waiting == fresh(tmp_path, tasks).inducing.waiting == []
        three = fresh(tmp_path, tasks[::-1], searchers=3, writer=WRITER)
        assert three.inducing.waiting == three.bases[0].scheduler.waiting == three.searching.waiting
        # Its share of the time begins when there is room for it.
        assert three.inducing.policy == induction_policy(BEGAN, BEGAN + 594.0, 2, turns=False)
        alone = fresh(tmp_path, tasks, writer=WRITER, profiles=())
        assert (alone.bases, alone.searching.waiting, len(alone.inducing.waiting)) == ((), [], 4)

    def test_programs_have_said_all_once_they_are_done_dropped_or_out_of_time(self, tmp_path: Path) -> None:
        tasks = make_tasks(2)
        first, second = (task.id for task in tasks)
        assert fresh(tmp_path, tasks).closed(first)
        state = fresh(tmp_path, tasks, searchers=2, writer=WRITER)
        assert not state.closed(first)
        state.inducing.drop(first)
        assert not state.closed(first)
        grant = state.searching.next(BEGAN)
        assert grant is not None
        assert grant.task_id == first
        assert not state.closed(first)
        state.searching.finished(first, 0.0)
        assert state.closed(first)
        assert not state.closed(second)
        for scheduler in (state.searching, state.inducing):
            scheduler.policy = replace(scheduler.policy, stop=BEGAN)
        assert state.closed(second)

    def test_a_search_changes_what_the_model_does_next(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        state = fresh(tmp_path, tasks, searchers=1)
        state.searched(searched(tasks[0], A))
        state.searched(searched(tasks[1], A, cost=SHORT + 1))
        state.searched(searched(tasks[2], A, B))
        state.searched(searched(tasks[3]))
        assert state.bases[0].scheduler.deferred == ["task00"]
        assert state.bases[0].scheduler.waiting == ["task01", "task02", "task03"]
        assert [state.doubt(task.id) for task in tasks] == [0, 0, 1, 1]

    def test_a_search_can_end_doubts_about_what_the_model_said(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        state = fresh(tmp_path, tasks, searchers=1)
        query = Query("task00", 0)
        state.bases[0].scheduler.next(BEGAN)
        state.bases[0].found["task00"] = [candidate(query, A), candidate(query, B)]
        state.bases[0].scheduler.finished("task00", state.doubt("task00"))
        assert state.bases[0].scheduler.doubt == {"task00": 0.5}
        state.searched(searched(tasks[0], C))
        assert state.bases[0].scheduler.doubt == {"task00": 0}
        assert state.bases[0].scheduler.next(BEGAN) is None

    def test_a_search_that_settles_a_task_leaves_nothing_to_write(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        state = fresh(tmp_path, tasks, searchers=1, writer=WRITER)
        state.searched(searched(tasks[0], A))
        state.searched(searched(tasks[1], A, cost=SHORT + 1))
        state.searched(searched(tasks[2], A, B))
        state.searched(searched(tasks[3], status=Outcome.FAILED))
        assert state.inducing.waiting == ["task01", "task02", "task03"]

    def test_written_programs_change_what_the_model_does_next(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        state = fresh(tmp_path, tasks, searchers=1, writer=WRITER)
        state.searched(searched(tasks[1], A, cost=SHORT + 1))
        state.searched(searched(tasks[2], A, cost=SHORT - 1))
        assert state.bases[0].scheduler.deferred == ["task02"]
        state.written(induced(tasks[0], A))
        state.written(induced(tasks[1], A))
        state.written(induced(tasks[3], A, cost=SHORT + 1))
        assert state.bases[0].scheduler.deferred == ["task02", "task00", "task01"]
        assert state.bases[0].scheduler.waiting == ["task03"]
        assert [state.doubt(task.id) for task in tasks] == [0, 0, 0, 0]
        assert len(state.candidates("task01")) == 2 * len(tasks[1].test_inputs)
        assert state.reached() == ["task00", "task01", "task02", "task03"]

    def test_written_programs_and_searched_ones_may_disagree(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        state = fresh(tmp_path, tasks, searchers=1, writer=WRITER)
        state.written(induced(tasks[0], B))
        assert (state.doubt("task00"), state.bases[0].scheduler.deferred) == (0, ["task00"])
        state.searched(searched(tasks[0], A, cost=SHORT))
        assert (state.doubt("task00"), state.bases[0].scheduler.waiting) == (1, ["task00"])
        assert state.inducing.waiting == [], "the search alone is sure"

    def test_answers_of_one_channel_and_of_both(self, tmp_path: Path) -> None:
        tasks = make_tasks(2)
        state = fresh(tmp_path, tasks, searchers=1)
        query, other = Query("task00", 0), Query("task01", 1)
        state.bases[0].found["task00"] = [candidate(query, A), candidate(query, A), candidate(query, B)]
        state.searched(searched(tasks[0], C))
        assert state.alone(Channel.MODEL)[query] == Attempts(A, B)
        assert state.alone(Channel.PROGRAM)[query].first == C
        assert state.alone(Channel.MODEL)[other] == state.alone(Channel.PROGRAM)[other] == fallback(tasks[1], 1)
        (fused,) = state.conclude("task00")
        assert (fused.branch, state.answers[query]) == (Branch.PROGRAM_FIRST, Attempts(C, A))

    def test_answers_of_written_programs_alone(self, tmp_path: Path) -> None:
        tasks = make_tasks(2)
        state = fresh(tmp_path, tasks, searchers=1, writer=WRITER)
        query = Query("task00", 0)
        state.bases[0].found["task00"] = [candidate(query, A), candidate(query, B)]
        state.searched(searched(tasks[0], C, cost=SHORT + 4))
        state.written(induced(tasks[0], B))
        assert state.alone(Channel.INDUCTION)[query].first == B
        assert state.alone(Channel.PROGRAM)[query].first == C
        assert state.alone(Channel.INDUCTION)[Query("task01", 1)] == fallback(tasks[1], 1)
        (fused,) = state.conclude("task00")
        assert (fused.branch, state.answers[query]) == (Branch.PROGRAM_FIRST, Attempts(B, A))


class TestResume:
    def test_written_programs_come_back_and_are_not_written_again(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        settings = make_settings(tmp_path, searchers=1, writer=WRITER)
        done, failed = induced(tasks[0], A, cost=SHORT + 1), induced(tasks[1], B, status=Outcome.FAILED)
        with Journal(settings.journal) as journal:
            journal.append("run", **settings.to_json(tasks))
            for one in (done, failed, induced(tasks[2], status=Outcome.TIMED_OUT)):
                journal.append(INDUCTION_EVENT, **one.to_json())
            journal.append(SEARCH_EVENT, **searched(tasks[0], C).to_json())
            journal.append(SEARCH_EVENT, **searched(tasks[3], C).to_json())
        state = fresh(tmp_path, tasks, resume=True, searchers=1, writer=WRITER)
        assert state.inductions["task00"] == done
        # What failed has its say until it has been tried again; what a search has settled is not tried.
        assert state.inducing.waiting == ["task01", "task02"]
        assert state.answers[Query("task01", 0)].first == B
        assert state.answers[Query("task00", 0)] == Attempts(C, A), "both kinds of programs count"

    def test_another_base_that_writes_programs_is_another_run(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path, writer=WRITER), tasks)
        with pytest.raises(InputError, match="programs_base was 'writer', now it is 'other'"):
            fresh(tmp_path, tasks, resume=True, writer=Path("other"))
        (tmp_path / "writer").mkdir()
        (tmp_path / "writer" / "model.safetensors").write_bytes(b"weights")
        with pytest.raises(InputError, match="programs_weights was 0, now it is 7"):
            fresh(tmp_path, tasks, resume=True, writer=tmp_path / "writer")

    def test_searches_come_back_and_are_not_repeated(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        settings = make_settings(tmp_path, searchers=1)
        done, failed = searched(tasks[0], A), searched(tasks[1], status=Outcome.FAILED)
        with Journal(settings.journal) as journal:
            journal.append("run", **settings.to_json(tasks))
            for search in (done, failed, searched(tasks[2], B)):
                journal.append(SEARCH_EVENT, **search.to_json())
            journal.append(TASK_EVENT, **record(tasks[2], Outcome.DONE).to_json())
        state = fresh(tmp_path, tasks, resume=True, searchers=1)
        assert state.searches == {"task00": done, "task02": searched(tasks[2], B)}
        assert state.searching.waiting == ["task01", "task03"]
        assert (state.bases[0].scheduler.waiting, state.bases[0].scheduler.deferred) == (
            ["task01", "task03"],
            ["task00"],
        )
        assert state.answers[Query("task00", 0)].first == A
        assert state.answers[Query("task02", 0)] == Attempts(B, A), "both channels count"
        assert state.bases[0].scheduler.doubt == {"task02": 0}

    def test_a_channel_can_be_added(self, tmp_path: Path) -> None:
        tasks = make_tasks(2)
        done = record(tasks[1], Outcome.DONE)
        write_journal(make_settings(tmp_path), tasks, done)
        state = fresh(tmp_path, tasks, resume=True, searchers=1, writer=WRITER)
        assert state.bases[0].records == {"task01": done}
        assert state.searching.waiting == ["task00", "task01"]
        assert state.inducing.waiting == ["task00", "task01"]

    def test_a_base_can_be_added_to_a_search(self, tmp_path: Path) -> None:
        tasks = make_tasks(2)
        alone = make_settings(tmp_path, profiles=(), devices=(), searchers=1)
        found = searched(tasks[0], A)
        with Journal(alone.journal) as journal:
            journal.append("run", **alone.to_json(tasks))
            journal.append(SEARCH_EVENT, **found.to_json())
        state = fresh(tmp_path, tasks, resume=True, searchers=1, quantize="none")
        assert state.searches == {"task00": found}
        assert (state.bases[0].scheduler.waiting, state.bases[0].scheduler.deferred) == (["task01"], ["task00"])
        assert state.searching.waiting == ["task01"]

    def test_without_a_channel_it_is_another_run(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path, searchers=1), tasks)
        with pytest.raises(InputError, match=r"channels was \['ttt', 'search'\], now it is \['ttt'\]"):
            fresh(tmp_path, tasks, resume=True)

    @pytest.mark.parametrize("alone", [{}, {"profiles": (), "writer": WRITER}])
    def test_what_an_earlier_channel_did_it_goes_on_doing(self, tmp_path: Path, alone: dict[str, Any]) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path, **alone), tasks)
        with pytest.raises(InputError, match="quantize was 'nf4', now it is 'none'"):
            fresh(tmp_path, tasks, resume=True, searchers=1, writer=WRITER, quantize="none")

    def test_what_goes_with_a_channel_is_compared_once_it_is_there(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path), tasks)
        write_journal(make_settings(tmp_path, writer=WRITER), tasks)
        with pytest.raises(InputError, match="programs_base was 'writer', now it is 'other'"):
            fresh(tmp_path, tasks, resume=True, writer=Path("other"))
        assert CONCERNS.keys() <= make_settings(tmp_path).fixed(tasks).keys()

    def test_finished_tasks_come_back_with_all_they_had(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        records = (record(tasks[1], Outcome.DONE), record(tasks[2], Outcome.DONE), record(tasks[2], Outcome.DONE, 1, B))
        write_journal(make_settings(tmp_path), tasks, *records)
        state = fresh(tmp_path, tasks, resume=True)
        assert state.bases[0].records == {"task01": records[0], "task02": records[2]}
        assert state.bases[0].found["task02"] == list(records[2].candidates)
        assert state.answers[Query("task01", 1)].first == A
        assert state.answers[Query("task02", 0)].first == B
        assert state.bases[0].scheduler.waiting == ["task00", "task03"]
        assert state.bases[0].scheduler.passes == {"task01": 1, "task02": 2}
        assert state.bases[0].scheduler.doubt == {"task01": 0, "task02": 0}

    @pytest.mark.parametrize("status", [Outcome.TIMED_OUT, Outcome.FAILED])
    def test_a_first_pass_without_end_begins_anew_and_its_answer_stands_until_then(
        self, tmp_path: Path, status: Outcome
    ) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path), tasks, record(tasks[0], status))
        state = fresh(tmp_path, tasks, resume=True)
        assert state.bases[0].scheduler.waiting == ["task00"]
        assert state.bases[0].scheduler.passes == {}
        assert state.bases[0].records == {}
        assert state.bases[0].found == {"task00": [candidate(Query("task00", 0), A)]}
        assert state.bases[0].stale == {"task00"}
        assert state.answers[Query("task00", 0)].first == A

    @pytest.mark.parametrize(("status", "passes"), [(Outcome.TIMED_OUT, 2), (Outcome.FAILED, 1)])
    def test_a_later_pass_without_end_leaves_the_task_finished(
        self, tmp_path: Path, status: Outcome, passes: int
    ) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path), tasks, record(tasks[0], Outcome.DONE), record(tasks[0], status, 1, B))
        state = fresh(tmp_path, tasks, resume=True)
        assert state.bases[0].scheduler.waiting == []
        assert state.bases[0].scheduler.passes == {"task00": passes}
        assert state.answers[Query("task00", 0)].first == (B if passes == 2 else A)

    def test_without_a_journal_it_is_a_new_run(self, tmp_path: Path) -> None:
        assert fresh(tmp_path, make_tasks(2), resume=True).bases[0].scheduler.waiting == ["task00", "task01"]

    def test_another_vote_counts_for_what_was_finished_before(self, tmp_path: Path) -> None:
        (task,) = tasks = make_tasks(1)
        (query,) = task.queries()
        found = [*(candidate(query, A, dihedral) for dihedral in Dihedral), candidate(query, B)]
        found = [replace(one, score={A: -9.0, B: -1.0}[one.grid]) for one in found]
        done = TaskRecord(task.id, Outcome.DONE, tuple(found), (Attempts(A, B),))
        write_journal(make_settings(tmp_path, vote="hierarchical"), tasks, done)
        for vote, attempts in (("hierarchical", Attempts(A, B)), ("poe+counts", Attempts(B, A))):
            assert fresh(tmp_path, tasks, resume=True, vote=vote).answers == {query: attempts}

    def test_another_base_beside_the_first_is_another_run(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path), tasks)
        with pytest.raises(InputError, match="bases was"):
            fresh(tmp_path, tasks, resume=True, profiles=(PROFILE, replace(PROFILE, name="other")))

    def test_every_earlier_start_must_agree(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path), tasks)
        write_journal(make_settings(tmp_path, seed=6), tasks)
        for seed in (5, 6):
            with pytest.raises(InputError, match="seed was"):
                fresh(tmp_path, tasks, resume=True, seed=seed)

    def test_a_journal_of_something_else(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        path = make_settings(tmp_path).journal
        path.parent.mkdir()
        for text in ("rubbish\nrubbish\n", '{"event":"task","task_id":"task00"}\n{"event":"end"}\n'):
            path.write_text(text)
            with pytest.raises(InputError):
                fresh(tmp_path, tasks, resume=True)
