"""A crew of real processes that do nothing but wait or die."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import pytest

from solver.crew import LIVES, Crew, wait_for
from solver.jobs import SearcherSettings
from solver.scheduler import Grant, Policy, Scheduler


def echo(settings: SearcherSettings, pipe: Connection) -> None:
    """Says its number, then waits; dies when told to."""
    pipe.send(settings.number)
    pipe.recv()
    os._exit(3)


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew("echo", echo, Scheduler(Policy(1000.0, 3), ["task"]), [SearcherSettings(n, 0) for n in range(3)], 1.0)
    yield made
    made.kill()
    made.join()
    assert multiprocessing.active_children() == []


def heard(crew: Crew) -> list[Any]:
    """What every process says first."""
    for seat in crew.seats:
        assert seat.pipe.poll(60)
    return [seat.pipe.recv() for seat in crew.seats]


def test_as_many_are_started_as_asked_for_and_no_more_than_there_are(crew: Crew) -> None:
    crew.start(0)
    crew.start(-1)
    assert (len(crew.seats), crew.size()) == (0, 3)
    crew.start(1)
    assert (len(crew.seats), crew.size()) == (1, 3)
    crew.start(5)
    assert heard(crew) == [0, 1, 2]
    assert crew.size() == 3


def test_those_whose_place_is_held_are_passed_over(crew: Crew) -> None:
    crew.start(2, held={0, 7})
    assert heard(crew) == [1, 2]
    assert [settings.number for settings in crew.vacant] == [0]
    crew.start(1, held={0})
    assert len(crew.seats) == 2
    crew.start(1)
    assert [seat.settings.number for seat in crew.seats] == [1, 2, 0]


def test_it_knows_the_numbers_of_all_that_live_or_will(crew: Crew) -> None:
    assert crew.numbers() == {0, 1, 2}
    crew.start(2)
    assert crew.numbers() == {0, 1, 2}
    crew.remove(crew.seats[0])
    assert crew.numbers() == {1, 2}
    crew.dismiss()
    assert crew.numbers() == set()


def test_it_is_open_while_there_is_work_and_somebody_for_it(crew: Crew) -> None:
    assert crew.open(0.0)
    assert not crew.open(1000.0)
    crew.start(1)
    crew.seats[0].grant = Grant("task", 5.0, 0)
    assert crew.open(1000.0), "somebody still works"
    crew.vacant.clear()
    crew.remove(crew.seats[0])
    assert not crew.open(0.0)


def test_a_process_that_does_not_end_is_not_waited_for_for_ever(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solver.crew.LEAVING", 0.2)
    crew.start(2)
    heard(crew)
    processes = [seat.process for seat in crew.seats]
    crew.join()
    assert all(process.is_alive() for process in processes)
    for process in processes:
        process.kill()
        process.join()


def test_only_those_that_do_not_work_are_dismissed(crew: Crew) -> None:
    crew.start(2)
    heard(crew)
    crew.seats[1].grant = Grant("task", 5.0, 0)
    busy = crew.seats[1]
    crew.dismiss()
    assert crew.seats == [busy]
    assert busy.process.is_alive()
    assert crew.size() == 1


def test_only_those_that_are_ready_and_free_are_idle(crew: Crew) -> None:
    crew.start(3)
    first, second, third = crew.seats
    first.ready = second.ready = True
    second.grant = Grant("task", 5.0, 0)
    assert crew.idle() == [first]
    assert not third.ready


def test_a_death_is_noticed_and_replaced_until_it_has_happened_too_often(crew: Crew) -> None:
    crew.start(1)
    for life in range(LIVES + 1):
        heard(crew)
        (seat,) = crew.seats
        assert seat.deaths == life
        seat.pipe.send("end")
        began = time.monotonic()
        wait_for([crew], 60.0)
        assert time.monotonic() - began < 30
        crew.replace(seat)
    assert crew.seats == []
    assert crew.scheduler.policy.workers == 2
    assert crew.lost == {0}


def test_workers_that_were_ended_come_back_but_not_those_that_cannot_work(crew: Crew) -> None:
    settings = [*crew.vacant]
    crew.start(2)
    heard(crew)
    useless, busy = crew.seats
    busy.grant = Grant("task", 5.0, 0)
    crew.lose(useless)
    assert crew.scheduler.policy.workers == 2
    crew.dismiss()
    assert crew.numbers() == {busy.settings.number}
    crew.recall(settings)
    assert [one.number for one in crew.vacant] == [
        one.number for one in settings if one.number not in (useless.settings.number, busy.settings.number)
    ]
