"""Kaggle's mounts, built in a temporary folder."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from solver import places
from solver.grid import InputError
from solver.places import Places, competition_file, find_places, is_rerun, usable_memory, visible_gpus
from tests.fake_worker import write_base

SLUG = "arc-prize-2026"


def options(**given: Any) -> Namespace:
    plain = dict.fromkeys(("challenges", "split", "solutions", "time_budget", "base", "limit"))
    return Namespace(**(plain | {"task_ids": ""} | given))


def mount(folder: Path, separator: str = "_") -> Path:
    """The competition's files."""
    folder.mkdir(parents=True)
    for part in ("training", "evaluation", "test"):
        for kind in ("challenges", "solutions"):
            if (part, kind) != ("test", "solutions"):
                (folder / f"arc-agi_{part}_{kind}.json".replace("_", separator)).write_text("{}")
    (folder / "sample_submission.json").write_text("{}")
    return folder


class TestRerun:
    @pytest.mark.parametrize(
        ("value", "rerun"), [("1", True), ("true", True), ("True", True), ("", False), ("0", False), ("false", False)]
    )
    def test_flag(self, value: str, rerun: bool) -> None:
        assert is_rerun({"KAGGLE_IS_COMPETITION_RERUN": value}) is rerun

    def test_elsewhere(self) -> None:
        assert not is_rerun({})

    def test_the_environment_is_asked_by_default(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = mount(tmp_path / SLUG)
        monkeypatch.setenv("KAGGLE_IS_COMPETITION_RERUN", "1")
        assert find_places(options(), tmp_path).challenges == folder / "arc-agi_test_challenges.json"


class TestCompetition:
    @pytest.mark.parametrize("place", [f"competitions/{SLUG}", SLUG, "any-other-slug/sub/folder"])
    @pytest.mark.parametrize("separator", ["_", "-"])
    def test_the_rerun_solves_the_hidden_tasks_within_kaggles_hours(
        self, tmp_path: Path, place: str, separator: str
    ) -> None:
        folder = mount(tmp_path / place, separator)
        name = "arc-agi_test_challenges.json".replace("_", separator)
        expected = Places(folder / name, None, None, ("native",), "11h30m", None)
        assert find_places(options(), tmp_path, rerun=True) == expected

    @pytest.mark.parametrize("separator", ["_", "-"])
    def test_otherwise_a_short_run_on_labelled_tasks(self, tmp_path: Path, separator: str) -> None:
        folder = mount(tmp_path / "competitions" / SLUG, separator)
        challenges, solutions = (
            folder / f"arc-agi_evaluation_{kind}.json".replace("_", separator) for kind in ("challenges", "solutions")
        )
        found = find_places(options(), tmp_path, rerun=False)
        assert found == Places(challenges, None, solutions, ("native",), "10m", 40)

    def test_without_solutions_the_dry_run_is_not_scored(self, tmp_path: Path) -> None:
        folder = mount(tmp_path / SLUG)
        (folder / "arc-agi_evaluation_solutions.json").unlink()
        assert find_places(options(), tmp_path, rerun=False).solutions is None

    def test_a_rerun_without_the_competition_says_what_to_do(self, tmp_path: Path) -> None:
        (tmp_path / "some-dataset").mkdir()
        for root in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(InputError, match="attach the competition"):
                find_places(options(), root, rerun=True)

    def test_a_dataset_with_an_earlier_years_files_does_not_win(self, tmp_path: Path) -> None:
        mount(tmp_path / "arc-2024")
        folder = mount(tmp_path / "competitions" / SLUG / "data")
        for rerun, part in ((True, "test"), (False, "evaluation")):
            found = find_places(options(), tmp_path, rerun=rerun)
            assert found.challenges == folder / f"arc-agi_{part}_challenges.json"
            assert found.solutions is None or found.solutions.parent == folder

    def test_options_win(self, tmp_path: Path) -> None:
        mount(tmp_path / SLUG)
        for rerun in (True, False):
            found = find_places(options(limit=3, time_budget="5m", base=["mine"]), tmp_path, rerun=rerun)
            assert (found.limit, found.budget, found.bases) == (3, "5m", ("mine",))

    def test_named_tasks_are_not_counted(self, tmp_path: Path) -> None:
        mount(tmp_path / SLUG)
        assert find_places(options(task_ids="a,b"), tmp_path, rerun=False).limit is None
        assert find_places(options(task_ids="a,b", limit=1), tmp_path, rerun=False).limit == 1

    def test_an_empty_or_zero_option_is_not_replaced_by_a_default(self, tmp_path: Path) -> None:
        mount(tmp_path / SLUG)
        for root in (tmp_path, tmp_path / "nowhere"):
            found = find_places(options(limit=0, time_budget="", base=[""]), root, rerun=False)
            assert (found.limit, found.budget, found.bases) == (0, "", ("",))

    def test_the_least_deep_file_of_a_name(self, tmp_path: Path) -> None:
        for folder in ("a/b", "c", "d/e"):
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "x-y.json").write_text("")
        assert competition_file(tmp_path, "x_y.json") == tmp_path / "c" / "x-y.json"
        assert competition_file(tmp_path, "x-z.json") is None
        assert competition_file(tmp_path / "none", "x_y.json") is None


class TestElsewhere:
    def test_a_built_in_dry_run(self, tmp_path: Path) -> None:
        expected = Places(None, "arc1-evaluation", None, ("native",), "10m", 40)
        assert find_places(options(), tmp_path / "nowhere", rerun=False) == expected
        assert find_places(options(), tmp_path, rerun=False) == expected

    def test_named_tasks_of_the_dry_run_are_not_counted(self, tmp_path: Path) -> None:
        assert find_places(options(task_ids="a"), tmp_path, rerun=False).limit is None

    def test_a_named_source_is_taken_as_it_is_even_on_kaggle(self, tmp_path: Path) -> None:
        mount(tmp_path / SLUG)
        challenges, solutions = Path("c.json"), Path("s.json")
        found = find_places(options(challenges=challenges, solutions=solutions), tmp_path, rerun=True)
        assert found == Places(challenges, None, solutions, ("native",), "12h", None)
        found = find_places(options(split="arc2-training"), tmp_path, rerun=False)
        assert found == Places(None, "arc2-training", None, ("native",), "12h", None)

    def test_solutions_alone_make_no_sense(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="--solutions: needs --challenges"):
            find_places(options(solutions=Path("s.json")), tmp_path, rerun=False)

    def test_kaggles_folder_is_the_default(self) -> None:
        assert find_places.__defaults__ is not None
        assert find_places.__defaults__[0] == places.KAGGLE_INPUT == Path("/kaggle/input")


class TestAttachedBase:
    @pytest.mark.parametrize(
        "place",
        ["models/owner/model/transformers/variation/1", "model/transformers/variation/1", "datasets/owner/my-base"],
    )
    def test_is_used(self, tmp_path: Path, place: str) -> None:
        mount(tmp_path / "competitions" / SLUG)
        folder = write_base(tmp_path / place)
        for rerun in (True, False):
            assert find_places(options(), tmp_path, rerun=rerun).bases == (str(folder),)
        assert find_places(options(base=["native"]), tmp_path, rerun=True).bases == ("native",)

    def test_other_models_are_passed_over(self, tmp_path: Path) -> None:
        other = write_base(tmp_path / "models/a/other/transformers/v/1")
        (other / "tokenizer.json").write_text('{"model": {"vocab": {"the": 0}}}')
        broken = write_base(tmp_path / "models/b/broken/transformers/v/1")
        (broken / "model.safetensors").write_bytes(b"")
        listed = write_base(tmp_path / "models/c/listed/transformers/v/1")
        (listed / "tokenizer.json").write_text('{"model": {"vocab": [["the", -1.0]]}}')
        assert find_places(options(), tmp_path, rerun=False).bases == ("native",)
        good = write_base(tmp_path / "models/z/good/transformers/v/1")
        assert find_places(options(), tmp_path, rerun=False).bases == (str(good),)


class TestVisibleGpus:
    @pytest.fixture
    def devices(self, tmp_path: Path) -> Path:
        for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "nvidia-caps", "null", "sda1"):
            (tmp_path / name).write_text("")
        return tmp_path

    @pytest.mark.parametrize(
        ("limit", "count"),
        [
            (None, 3),
            ("0,1,2", 3),
            ("1", 1),
            ("2,0", 2),
            ("", 0),
            ("-1", 0),
            (" ", 0),
            ("GPU-5a,GPU-6b", 2),
            ("0,1,2,3", 3),
        ],
    )
    def test_what_the_environment_leaves(self, devices: Path, limit: str | None, count: int) -> None:
        environment = {} if limit is None else {"CUDA_VISIBLE_DEVICES": limit}
        assert visible_gpus(devices, environment) == [f"cuda:{number}" for number in range(count)]

    def test_none(self, tmp_path: Path) -> None:
        assert visible_gpus(tmp_path, {}) == []
        assert visible_gpus(tmp_path / "nowhere", {}) == []
        assert visible_gpus(tmp_path, {"CUDA_VISIBLE_DEVICES": "0"}) == []


class TestUsableMemory:
    def test_a_containers_limit_counts_where_it_is_less(self, tmp_path: Path) -> None:
        none, unlimited, limited = (tmp_path / name for name in ("none", "max", "limited"))
        unlimited.write_text("max\n")
        limited.write_text("123456789\n")
        machine = usable_memory([])
        assert machine > 123456789
        assert usable_memory([none, unlimited]) == machine
        assert usable_memory([none, unlimited, limited]) == 123456789
        limited.write_text(str(2**60))
        assert usable_memory([limited]) == machine


class TestEmbeddedBase:
    def test_the_one_among_the_attached_code_is_nobodys_choice(self, tmp_path: Path) -> None:
        mount(tmp_path / "competitions" / SLUG)
        write_base(tmp_path / "datasets" / "me" / "arc-ttt-kit-code" / "solver" / "base" / "native")
        assert find_places(options(), tmp_path, rerun=True).bases == ("native",)
        chosen = write_base(tmp_path / "models" / "me" / "mine" / "transformers" / "v" / "1")
        assert find_places(options(), tmp_path, rerun=True).bases == (str(chosen),)
