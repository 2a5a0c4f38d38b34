"""Who has a place when, with crews on paper: seats without processes, and a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from solver.crew import AnySettings, Crew, Seat
from solver.jobs import SearcherSettings, WorkerSettings, WriterSettings
from solver.run_state import Run
from solver.scheduler import INDUCTION_SHARE, SEARCH_SHARE, early_stop
from solver.settings import Settings
from solver.staffing import Staff, searchers, workers, writers
from tests.fake_worker import PROFILE
from tests.hand_made import TASKS, Clock, begun

WRITER = Path("writer")


@dataclass(slots=True)
class Paper(Crew):
    """A crew that starts no process."""

    def seat(self, settings: AnySettings, deaths: int = 0) -> None:
        self.seats.append(Seat(settings, SimpleNamespace(), SimpleNamespace(), deaths=deaths))  # type: ignore[arg-type]

    def remove(self, seat: Seat) -> None:
        self.seats.remove(seat)


def staffed(run: Run) -> Staff:
    """Crews for a run, as its loop makes them."""

    def crew(name: str, scheduler: Any, vacant: list[AnySettings], base: int | None = None) -> Paper:
        return Paper(name, lambda *_: None, scheduler, vacant, 1.0, base)

    return Staff(
        run,
        crew("search worker", run.searching, searchers(run.settings, len(run.searching.waiting))),
        crew("program writer", run.inducing, writers(run.settings)),
        tuple(crew("worker", base.scheduler, workers(run.settings, base.number), base.number) for base in run.bases),
    )


def numbers(crew: Crew) -> list[int]:
    """Of those that were started and live."""
    return [seat.settings.number for seat in crew.seats]


def get_ready(staff: Staff, crew: Crew) -> None:
    if not crew.ready:
        staff.ready(crew)
    crew.ready = True
    for seat in crew.seats:
        seat.ready = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestSettings:
    def test_of_every_kind_of_worker(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(5)))
        made = Settings(
            tmp_path, tmp_path, (PROFILE,), 1.0, 0.0, ("cuda:0", None), 3, searchers=4, search_memory=9, writer=WRITER
        )
        assert searchers(made, 2) == [SearcherSettings(0, 9), SearcherSettings(1, 9)]
        assert len(searchers(made, 99)) == 4
        assert workers(made, 0) == [
            WorkerSettings(0, PROFILE, "cuda:0", "nf4", 3),
            WorkerSettings(1, PROFILE, None, "nf4", 3),
        ]
        assert writers(made) == [
            WriterSettings(0, WRITER, "cuda:0", "nf4", 3, 2),
            WriterSettings(1, WRITER, None, "nf4", 3, 2),
        ]

    def test_without_a_base_there_is_none(self, tmp_path: Path) -> None:
        made = Settings(tmp_path, tmp_path, (), 1.0, 0.0, ("cpu",))
        assert writers(made) == searchers(made, 5) == []

    def test_everybody_can_run_programs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
        made = Settings(tmp_path, tmp_path, (), 1.0, 0.0, ("cuda:0", "cuda:1"), writer=WRITER)
        assert [one.runners for one in writers(made) if isinstance(one, WriterSettings)] == [1, 1]


class TestTurns:
    def test_a_device_goes_to_the_writer_and_then_to_the_model(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, devices=("cuda:0", "cuda:1"), writer=WRITER)
        staff = staffed(run)
        staff.fill(clock.now)
        assert (numbers(staff.induction), numbers(staff.models[0])) == ([0, 1], [])
        get_ready(staff, staff.induction)
        run.inducing.waiting = []
        staff.induction.seats[0].grant = run.inducing.next(clock.now) or run.bases[0].scheduler.next(clock.now)
        staff.fill(clock.now)
        assert (numbers(staff.induction), numbers(staff.models[0])) == ([0], [1])
        staff.induction.seats[0].grant = None
        staff.fill(clock.now)
        assert (numbers(staff.induction), numbers(staff.models[0])) == ([], [1, 0])

    def test_the_search_leaves_less_time_where_the_model_has_visited_tasks_before(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        run = begun(tmp_path, clock, devices=("cpu",), searchers=1)
        run.bases[0].scheduler.waiting = run.bases[0].scheduler.waiting[:1]
        staff, end = staffed(run), run.settings.stop()
        staff.fill(clock.now)
        get_ready(staff, staff.search)
        kept = (1 - SEARCH_SHARE) / len(TASKS)
        assert run.searching.policy.stop == pytest.approx(clock.now + (1 - kept) * (end - clock.now))

    def test_the_share_begins_when_there_is_room_and_anew_when_the_base_is_loaded(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        run = begun(tmp_path, clock, devices=("cpu",), searchers=1, writer=WRITER)
        staff, end = staffed(run), run.settings.stop()
        whole = run.inducing.policy.stop
        staff.fill(clock.now)
        get_ready(staff, staff.search)
        assert run.searching.policy.stop == clock.now + SEARCH_SHARE * (end - clock.now)
        clock.now = run.searching.policy.stop
        assert numbers(staff.induction) == []
        assert run.inducing.policy.stop == whole > clock.now
        staff.fill(clock.now)
        assert (numbers(staff.search), numbers(staff.induction)) == ([], [0])
        assert run.inducing.policy.stop == clock.now + INDUCTION_SHARE * (end - clock.now)
        clock.now += 100
        get_ready(staff, staff.induction)
        assert run.inducing.policy.stop == clock.now + INDUCTION_SHARE * (end - clock.now)
        stop = run.inducing.policy.stop
        clock.now += 1
        staff.fill(clock.now)
        assert run.inducing.policy.stop == stop, "it began a third time"
        assert numbers(staff.models[0]) == []
        clock.now = stop
        staff.fill(clock.now)
        assert (numbers(staff.induction), numbers(staff.models[0])) == ([], [0])

    def test_a_writer_that_does_not_get_ready_is_given_up_in_time(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, devices=("cuda:0",), writer=WRITER)
        staff = staffed(run)
        staff.fill(clock.now)
        stop = clock.now + INDUCTION_SHARE * (run.settings.stop() - clock.now)
        clock.now = stop - 1
        staff.fill(clock.now)
        assert (numbers(staff.induction), numbers(staff.models[0])) == ([0], [])
        clock.now = stop
        staff.fill(clock.now)
        assert (numbers(staff.induction), numbers(staff.models[0])) == ([], [0])

    def test_without_a_model_the_writer_has_its_device_to_the_end(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, profiles=(), devices=("cuda:0",), writer=WRITER)
        staff = staffed(run)
        staff.fill(clock.now)
        get_ready(staff, staff.induction)
        clock.now = run.settings.stop() - 11
        staff.fill(clock.now)
        assert numbers(staff.induction) == [0]

    def test_where_nothing_is_to_be_written_no_writer_is_started(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, devices=("cuda:0",), writer=WRITER)
        for task in TASKS:
            run.inducing.drop(task.id)
        staff = staffed(run)
        staff.fill(clock.now)
        assert (numbers(staff.induction), numbers(staff.models[0])) == ([], [0])


class TestBases:
    """A device goes from one base to the next."""

    def begun(self, folder: Path, clock: Clock, devices: int = 1, **changes: Any) -> tuple[Run, Staff]:
        names = tuple(f"cuda:{number}" for number in range(devices))
        run = begun(folder, clock, devices=names, profiles=(PROFILE, replace(PROFILE, name="large")), **changes)
        return run, staffed(run)

    def all(self, staff: Staff) -> list[list[int]]:
        return [numbers(crew) for crew in staff.models]

    def test_as_soon_as_all_tasks_are_handed_out(self, tmp_path: Path, clock: Clock) -> None:
        run, staff = self.begun(tmp_path, clock, devices=2)
        staff.fill(clock.now)
        assert self.all(staff) == [[0, 1], []]
        get_ready(staff, staff.models[0])
        early = run.bases[0].scheduler
        early.waiting = ["task00"]
        staff.models[0].seats[1].grant = early.next(clock.now)
        staff.fill(clock.now)
        assert self.all(staff) == [[1], [0]]
        early.finished("task00", 0.5)
        staff.models[0].seats[0].grant = None
        staff.fill(clock.now)
        assert self.all(staff) == [[], [0, 1]]
        assert early.policy.passes == 1

    def test_the_share_begins_when_there_is_room_and_anew_when_the_base_is_loaded(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        run, staff = self.begun(tmp_path, clock, writer=WRITER)
        end, early = run.settings.stop(), run.bases[0].scheduler
        staff.fill(clock.now)
        assert (numbers(staff.induction), self.all(staff), early.policy.stop) == ([0], [[], []], end)
        clock.now = run.inducing.policy.stop
        staff.fill(clock.now)
        assert (numbers(staff.induction), self.all(staff)) == ([], [[0], []])
        assert early.policy.stop == early_stop(clock.now, end)
        clock.now += 50
        get_ready(staff, staff.models[0])
        assert early.policy.stop == early_stop(clock.now, end)
        clock.now += 1
        staff.fill(clock.now)
        assert early.policy.stop == early_stop(clock.now - 1, end), "it began a third time"
        clock.now = early.policy.stop
        staff.fill(clock.now)
        assert self.all(staff) == [[], [0]]
        get_ready(staff, staff.models[1])
        assert run.bases[1].scheduler.policy.stop == end

    def test_of_no_use(self, tmp_path: Path, clock: Clock) -> None:
        _, staff = self.begun(tmp_path, clock, devices=2)
        staff.fill(clock.now)
        early, late = staff.models
        early.lose(early.seats[0])
        staff.fill(clock.now)
        assert self.all(staff) == [[1], [0]], "the other base gets the device at once"
        late.lose(late.seats[0])
        staff.fill(clock.now)
        assert self.all(staff) == [[1], []], "nobody is started twice in vain"
        early.lose(early.seats[0])
        staff.fill(clock.now)
        assert self.all(staff) == [[], [1]]
        late.lose(late.seats[0])
        staff.fill(clock.now)
        assert self.all(staff) == [[], []]

    def test_the_last_one_of_no_use_leaves_its_time_to_the_one_before(self, tmp_path: Path, clock: Clock) -> None:
        run, staff = self.begun(tmp_path, clock, devices=2)
        staff.fill(clock.now)
        early, late = staff.models
        get_ready(staff, early)
        scheduler = run.bases[0].scheduler
        for task in TASKS:
            scheduler.next(clock.now)
            scheduler.finished(task.id, 0.5)
        staff.fill(clock.now)
        assert self.all(staff) == [[], [0, 1]]
        late.lose(late.seats[0])
        staff.fill(clock.now)
        assert self.all(staff) == [[], [1]]
        late.lose(late.seats[0])
        staff.fill(clock.now)
        assert self.all(staff) == [[0, 1], []]
        assert (scheduler.policy.stop, scheduler.policy.passes) == (run.settings.stop(), 3)
        clock.now += 100
        get_ready(staff, early)
        assert scheduler.policy.stop == run.settings.stop()
        grant = scheduler.next(clock.now)
        assert grant is not None
        assert grant.number == 1


class Life(RuleBasedStateMachine):
    """Workers of all kinds that come, work, die and go in any order; tasks are theirs for as long as they like."""

    @initialize(
        devices=st.integers(1, 3),
        kind=st.sampled_from(["cpu", "cuda"]),
        searching=st.integers(0, 3),
        writing=st.booleans(),
        bases=st.integers(0, 3),
    )
    def begin(self, devices: int, kind: str, searching: int, writing: bool, bases: int) -> None:
        self.clock = Clock()
        names = tuple("cpu" if kind == "cpu" else f"cuda:{number}" for number in range(devices))
        changes: dict[str, Any] = {
            "devices": names if writing or bases else (),
            "searchers": searching,
            "writer": WRITER if writing else None,
            "profiles": (PROFILE,) * bases,
        }
        self.run = begun(Path("nowhere"), self.clock, **changes)
        self.staff = staffed(self.run)

    @precondition(lambda self: hasattr(self, "staff"))
    @rule(data=st.data())
    def ready_or_hand_out(self, data: st.DataObject) -> None:
        crew = data.draw(st.sampled_from(self.staff.crews()))
        get_ready(self.staff, crew)
        for seat in crew.idle():
            seat.grant = crew.scheduler.next(self.clock.now)

    @precondition(lambda self: hasattr(self, "staff"))
    @rule(data=st.data(), dies=st.booleans())
    def finish(self, data: st.DataObject, dies: bool) -> None:
        busy = [(crew, seat) for crew in self.staff.crews() for seat in crew.seats if seat.grant]
        if not busy:
            return
        crew, seat = data.draw(st.sampled_from(busy))
        assert seat.grant is not None
        if dies:
            crew.scheduler.lost(seat.grant.task_id)
            crew.replace(seat)
        else:
            crew.scheduler.finished(seat.grant.task_id, 0.5)
            seat.grant = None

    @precondition(lambda self: hasattr(self, "staff"))
    @rule(data=st.data())
    def be_of_no_use(self, data: st.DataObject) -> None:
        """A worker finds that it cannot do its work."""
        loading = [(crew, seat) for crew in self.staff.crews() for seat in crew.seats if not seat.ready]
        if loading:
            crew, seat = data.draw(st.sampled_from(loading))
            crew.lose(seat)

    @rule(seconds=st.floats(0, 200))
    def wait(self, seconds: float) -> None:
        if hasattr(self, "clock"):
            self.clock.now += seconds

    @invariant()
    def no_device_is_used_twice(self) -> None:
        if hasattr(self, "staff"):
            held = [number for crew in (self.staff.induction, *self.staff.models) for number in numbers(crew)]
            assert len(set(held)) == len(held)
            if self.run.settings.turns():
                devices = len(self.run.settings.devices)
                share = len(held) / devices + len(self.staff.search.seats) / self.run.settings.searchers
                assert share <= 1 + 1e-9, "more workers than cores"

    @invariant()
    def who_cannot_work_is_not_started_again(self) -> None:
        if hasattr(self, "staff"):
            for crew in self.staff.crews():
                assert not crew.lost & crew.numbers()

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """Once more, and everything that can be started is."""
        if not hasattr(self, "staff"):
            return
        staff, now = self.staff, self.clock.now
        staff.fill(now)
        devices = len(self.run.settings.devices)
        before = [staff.search, staff.induction]
        for crew in staff.models:
            usable = len(crew.lost) < devices
            if usable and not any(one.seats for one in before) and not crew.scheduler.exhausted(now):
                assert staff.induction.vacant == []
                assert crew.vacant == [], "a base could be at work"
            before.append(crew)
        if staff.models and all(len(crew.lost) < devices for crew in staff.models[-1:]):
            assert staff.finals == {len(staff.models) - 1}


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=30)
