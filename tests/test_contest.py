"""The comparison of decoders and votes: whole on a tiny base, and its tables on entries made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from solver import comparison
from solver.attempts import Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.cli import main
from solver.contest import Contest, Terms, differences
from solver.encoding import candidate_to_json, grid_to_json
from solver.grid import Grid
from solver.journal import Journal, read_journal
from solver.model import Base, generate
from solver.profiles import DecodeSettings
from solver.records import SEARCH_EVENT, Outcome, SearchRecord
from solver.standings import CHOICES, choices, speeds, stops, summary, tables
from solver.task import Query, Task
from tests.fakes import copy_task, random_prompt, shake, tiny_base, tiny_folder

TASK = copy_task("contest", demonstrations=2, side=2, tests=2)


@pytest.fixture(scope="module")
def base() -> Base:
    base = tiny_base(orders=1, decoding=DecodeSettings(threshold=0.05))
    shake(base)
    base.initial = {name: weight.detach().clone() for name, weight in base.adapter().items()}
    return base


@pytest.fixture(scope="module")
def entry(base: Base) -> dict[str, Any]:
    known = tuple(
        Candidate(query, TASK.test_inputs[query.index], Channel.PROGRAM, program="p", cost=2.0, perfect=True)
        for query in TASK.queries()
    )
    found: dict[str, Any] = json.loads(json.dumps(Contest(base, TASK, Terms(ttt_steps=2), known).run()))
    return found


class TestContest:
    def test_all_ways_give_the_same_greedy_answers(self, entry: dict[str, Any]) -> None:
        assert entry["differ"] == {"generate": 0, "batched": 0, "drafted": 0, "program drafts": 0}
        assert entry["views"] == 16
        assert entry["ttt"]["executed"] == 2

    def test_one_view_at_a_time_takes_a_pass_for_every_token(self, entry: dict[str, Any]) -> None:
        ways = entry["ways"]
        assert ways["generate"]["passes"] > ways["batched"]["passes"] > 0
        assert ways["batched"]["drafted"] == 0
        assert all(way["seconds"] > 0 for way in ways.values())
        assert ways["dfs"]["searches"] > 0

    def test_every_candidate_is_scored(self, entry: dict[str, Any]) -> None:
        assert entry["candidates"].keys() == {"greedy", "dfs"}
        for found in entry["candidates"].values():
            assert found
            assert all("score" in one for one in found)
        grids = {(one["index"], *one["grid"]) for found in entry["candidates"].values() for one in found}
        assert {(one["index"], *one["grid"]) for one in entry["lengths"]} == grids
        assert entry["ways"]["score dfs"]["scored"] >= entry["ways"]["score greedy"]["scored"] > 0

    def test_stopping_early_is_tried_with_and_without_programs(self, entry: dict[str, Any]) -> None:
        ways = [(one["stop"], one["programs"]) for one in entry["stopping"]]
        assert ways == [("exact", False), ("likely", False), ("exact", True), ("likely", True)]
        for one in entry["stopping"]:
            assert one["views"] + one["saved"] == one["planned"] == 16
            assert one["stop"] == "likely" or one["same"] == one["of"] == 2

    def test_without_transformers_own_generation(self, base: Base) -> None:
        entry = Contest(base, copy_task("short", demonstrations=2, side=1), Terms(ttt_steps=0, plain=False)).run()
        assert "generate" not in entry["ways"]
        assert "program drafts" not in entry["ways"]
        assert [one["programs"] for one in entry["stopping"]] == [False, False]


@pytest.mark.parametrize("seed", range(4))
def test_transformers_own_generation_stops_at_the_limit_and_leaves_the_model_as_it_was(base: Base, seed: int) -> None:
    prompt, fmt = random_prompt(seed, 3), base.profile.format
    last = int(prompt.positions[-1])

    def spell(limit: int) -> list[int]:
        with base.inference():
            return generate(
                base.lm,
                prompt.ids,
                prompt.positions,
                limit,
                fmt.stop_id,
                lambda ids: fmt.legal_along(np.array(ids, dtype=np.int64), len(ids))[0],
                lambda ids: fmt.positions_along(last, np.array(ids, dtype=np.int64)),
            )

    whole = spell(64)
    assert spell(2) == whole[:2]
    assert fmt.parse(whole) is not None or len(whole) == 64
    assert "prepare_inputs_for_generation" not in vars(base.lm)


def test_differences_are_counted_by_view() -> None:
    one, two = Grid(((1,),)), Grid(((2,),))
    assert differences({(0, "a"): one, (0, "b"): None}, {(0, "a"): one, (0, "b"): None}) == 0
    assert differences({(0, "a"): one, (0, "b"): None}, {(0, "a"): two, (0, "b"): one}) == 2


RIGHT, WRONG, LONG = Grid(((1, 1),)), Grid(((2, 2),)), Grid(((3,) * 9,))
ONE = Task("one", TASK.train, TASK.test_inputs[:1])


def made(task_id: str, said: dict[Grid, tuple[int, float]], seconds: float = 1.0) -> dict[str, Any]:
    """An entry whose candidates were said so often and have these scores."""
    dihedrals = list(Dihedral)
    found = [
        Candidate(Query(task_id, 0), grid, view=View(Transform(dihedrals[number]), (0, 1)), score=score)
        for grid, (count, score) in said.items()
        for number in range(count)
    ]
    way = {"seconds": seconds, "passes": 10}
    return {
        "task_id": task_id,
        "views": 16,
        "ttt": {"seconds": 10.0},
        "ways": {"generate": {"seconds": 8.0, "passes": 80}, "batched": way, "drafted": way, "dfs": way}
        | {"score greedy": way, "score dfs": way},
        "differ": {"generate": 1, "batched": 0, "drafted": 0},
        "candidates": {name: list(map(candidate_to_json, found)) for name in ("greedy", "dfs")},
        "lengths": [{"index": 0, "grid": grid_to_json(grid), "tokens": float(grid.width + 1)} for grid in said],
        "stopping": [
            {"stop": "exact", "programs": False, "planned": 16, "saved": 7, "same": 1, "of": 1, "seconds": 0.5}
        ],
    }


class TestStandings:
    entries = (
        made("one", {RIGHT: (2, -3.0), WRONG: (3, -4.0), LONG: (1, -5.0), Grid(((4, 4),)): (2, -9.0)}),
        made("two", {RIGHT: (2, -3.0), WRONG: (1, -1.0)}, seconds=3.0),
    )
    tasks: ClassVar = {"one": ONE, "two": Task("two", ONE.train, ONE.test_inputs)}

    def test_speeds_are_told_against_the_first_way(self) -> None:
        rows = {row["way"]: row for row in speeds(self.entries)}
        assert next(iter(rows)) == "generate"
        assert rows["generate"]["seconds_ratio"] == rows["generate"]["passes_ratio"] == 1
        assert (rows["drafted"]["seconds"], rows["drafted"]["seconds_ratio"]) == (2.0, 4.0)
        assert rows["drafted"]["passes_ratio"] == 8
        assert (rows["generate"]["differ"], rows["drafted"]["differ"], rows["dfs"]["differ"]) == (2, 0, None)

    def test_choices_are_scored_by_their_votes(self) -> None:
        solutions = {"one": (LONG,), "two": (WRONG,)}
        rows = {row["choice"]: row for row in choices(self.entries, self.tasks, solutions)}
        assert list(rows) == [choice.name for choice in CHOICES]
        # Both attempts count: the long answer is third by every vote but that per token.
        assert rows["flat vote on greedy"]["solved_tasks"] == rows["PoE on greedy"]["solved_tasks"] == 1
        assert rows["PoE per token on greedy"]["solved_tasks"] == 2
        assert rows["flat vote on greedy"]["recall_tasks"] == 2
        assert rows["flat vote on greedy"]["seconds"] == 2.0
        assert rows["PoE on DFS"]["seconds"] == 4.0
        assert rows["flat vote on greedy"]["solved_per_hour"] == pytest.approx(3600 / 24)

    def test_stops_are_added_up(self) -> None:
        (row,) = stops(self.entries)
        assert (row["stop"], row["saved"], row["planned"], row["same"], row["of"]) == ("exact", 14, 32, 2, 2)

    def test_tables_for_people(self) -> None:
        whole = summary(self.entries, self.tasks, {"one": (LONG,), "two": (WRONG,)})
        assert [table.row_count for table in tables(2, whole)] == [6, len(CHOICES), 1]
        blind = summary(self.entries, self.tasks, None)
        assert blind["choices"] == []
        assert len(tables(2, blind)) == 2


class TestCommand:
    def words(self, folder: Path, *more: str) -> list[str]:
        return [
            *("compare-decoding", "--split", "arc1-training", "--task-ids", "25ff71a9", "--json"),
            *("--run-dir", str(folder), "--base", str(tiny_folder()), "--ttt-steps", "1", "--orders", "1"),
            *("--device", "cpu", "--threads", "1", *more),
        ]

    def test_a_task_in_the_journal_is_not_done_again(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert main(self.words(tmp_path)) == 0
        first = json.loads(capsys.readouterr().out)
        assert {row["way"]: row["differ"] for row in first["speeds"]}["drafted"] == 0
        assert len(first["choices"]) == len(CHOICES)
        monkeypatch.setattr("solver.model.load_base", lambda *_: pytest.fail("loaded again"))
        assert main(self.words(tmp_path)) == 0
        assert json.loads(capsys.readouterr().out) == first
        events = [event["event"] for event in read_journal(tmp_path / "journal.jsonl")]
        assert events == ["comparison", "contest"]

    def test_other_terms_are_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with Journal(tmp_path / "journal.jsonl") as journal:
            journal.append("comparison", base="another")
        assert main(self.words(tmp_path)) == 2
        assert "base was 'another'" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("more", "message"),
        [(("--threshold", "2"), "--threshold 2.0"), (("--orders", "0"), "--orders 0"), (("--task-ids", "x"), "x")],
    )
    def test_bad_options_are_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], message: str
    ) -> None:
        assert main(self.words(tmp_path, *more)) == 2
        assert message in capsys.readouterr().err

    def test_programs_come_from_a_runs_journal(self, tmp_path: Path) -> None:
        assert comparison.programs(None) == {}
        found = (Candidate(Query("one", 0), RIGHT, Channel.PROGRAM, program="p", cost=1.0, perfect=True),)
        with Journal(tmp_path / "journal.jsonl") as journal:
            journal.append(SEARCH_EVENT, **SearchRecord("one", Outcome.DONE, found).to_json())
            journal.append(SEARCH_EVENT, **SearchRecord("two", Outcome.FAILED, error="x").to_json())
        assert comparison.programs(tmp_path) == {"one": found}
