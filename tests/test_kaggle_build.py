"""What goes to Kaggle: generated from one file, current, accepted by Kaggle's rules; the notebook's own helpers."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import nbformat
import pytest

import build
import percent
from kit_bundle import bundle, gather_wheels, missing_wheels
from kit_config import ConfigError, Kit, parse_kit, read_kit, slugify
from kit_files import download_words, generated_files, kernel_metadata, notebook_text
from solver.attempts import check_submission
from solver.preflight.libraries import REQUIRED, numbers
from solver.task import read_challenges, read_json
from tests.fake_worker import make_tasks, write_tasks

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "kaggle"
CONTENT = tomllib.loads((FOLDER / "kit.toml").read_text())
TEMPLATE = (FOLDER / "notebook.py").read_text()


@pytest.fixture
def kit() -> Kit:
    return read_kit(FOLDER / "kit.toml")


def changed(section: str, **values: Any) -> dict[str, Any]:
    return CONTENT | {section: CONTENT[section] | values}


class TestGeneratedFiles:
    def test_are_current(self) -> None:
        assert build.main(["--check"]) == 0

    def test_a_difference_is_found_and_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = tmp_path / "generated"
        words = ["--generated", str(folder)]
        assert build.main(words) == 0
        assert build.main([*words, "--check"]) == 0
        (folder / "wheels.txt").write_text("peft==0.0.1\n")
        (folder / "stray").touch()
        (folder / "PUSH.md").unlink()
        capsys.readouterr()
        assert build.main([*words, "--check"]) == 1
        assert re.findall(r"generated/(\S+): not current", capsys.readouterr().err) == [
            "PUSH.md",
            "stray",
            "wheels.txt",
        ]
        assert build.main(words) == 0
        assert build.main([*words, "--check"]) == 0

    def test_the_script_runs_by_itself(self, tmp_path: Path) -> None:
        command = [sys.executable, str(FOLDER / "build.py"), "--check"]
        assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0

    def test_bad_input_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "kit.toml"
        for text, named in (
            ("[kaggle", "kit.toml"),
            ("", "kaggle: is missing"),
            ((FOLDER / "kit.toml").read_text().replace('title = "ARC TTT kit"', 'title = "A"'), "kaggle.title"),
        ):
            file.write_text(text)
            assert build.main(["--kit", str(file), "--check"]) == 2
            error = capsys.readouterr().err
            assert error.startswith("error: ")
            assert error.count("\n") == 1
            assert named in error


class TestConfig:
    @pytest.mark.parametrize(
        ("section", "values", "named"),
        [
            ("kaggle", {"user": "Me And You"}, "kaggle.user"),
            ("kaggle", {"competition": ""}, "kaggle.competition"),
            ("kaggle", {"title": "x" * 51}, "kaggle.title"),
            ("kaggle", {"machine": "T4"}, "kaggle.machine"),
            ("kaggle", {"models": ["meta/llama"]}, "kaggle.models"),
            ("kaggle", {"docker_image": "newest"}, "kaggle.docker_image"),
            ("code", {"title": "short"}, "code.title"),
            ("wheels", {"slug": "a_b"}, "wheels.slug"),
            ("wheels", {"requirements": {"torchvision": ">=1"}}, "wheels.versions: torchvision"),
            ("run", {"hours": 12}, "run.hours"),
        ],
    )
    def test_what_kaggle_would_refuse(self, section: str, values: dict[str, Any], named: str) -> None:
        with pytest.raises(ConfigError, match=re.escape(named)):
            parse_kit(changed(section, **values))

    def test_addresses(self) -> None:
        assert slugify("ARC TTT kit: 2nd try!") == "arc-ttt-kit-2nd-try"


class TestMetadata:
    def test_of_the_notebook(self, kit: Kit) -> None:
        content = kernel_metadata(kit)
        assert content["id"] == f"{kit.user}/{slugify(content['title'])}"
        assert f"kernel/{content['code_file']}" in generated_files(kit, TEMPLATE)
        assert content["machine_shape"] == "NvidiaTeslaT4"
        assert (content["enable_gpu"], content["enable_internet"], content["is_private"]) == (True, False, True)
        assert content["dataset_sources"] == ["your-name/arc-ttt-kit-code", "your-name/arc-ttt-kit-wheels"]
        assert content["docker_image_pinning_type"] in ("original", "latest")

    def test_without_an_accelerator(self) -> None:
        content = kernel_metadata(parse_kit(changed("kaggle", machine="")))
        assert (content["enable_gpu"], content["machine_shape"]) == (False, "")

    def test_of_the_datasets(self, kit: Kit) -> None:
        files = generated_files(kit, TEMPLATE)
        for name in ("code", "wheels"):
            content = json.loads(files[f"{name}/dataset-metadata.json"])
            assert 6 <= len(content["title"]) <= 50
            assert content["id"] == f"your-name/arc-ttt-kit-{name}"
            assert len(content["licenses"]) == 1

    def test_the_commands_name_what_is_pushed(self, kit: Kit) -> None:
        text = generated_files(kit, TEMPLATE)["PUSH.md"]
        for words in (
            "kaggle datasets create -p build/kaggle/code --dir-mode zip",
            "kaggle datasets version -p build/kaggle/wheels",
            "kaggle kernels push -p build/kaggle/kernel",
            "kaggle competitions submit arc-prize-2026 -k your-name/arc-ttt-kit -v 1 -f submission.json",
        ):
            assert words in text


class TestWheels:
    def test_what_is_asked_for_is_what_the_solver_needs(self, kit: Kit) -> None:
        for name, wanted in kit.wheels.requirements.items():
            assert wanted == f">={REQUIRED[name]}"
            assert numbers(kit.wheels.versions[name]) >= numbers(REQUIRED[name])

    def test_the_list(self, kit: Kit) -> None:
        lines = generated_files(kit, TEMPLATE)["wheels.txt"].splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        assert pins == [f"{name}=={version}" for name, version in kit.wheels.versions.items()]
        assert any("Python 3.11, 3.12, 3.13" in line for line in lines)

    def test_pip_is_told_the_other_python_and_system(self, kit: Kit) -> None:
        words = download_words(kit, "3.12", Path("to"), Path("wheels.txt"))
        assert {"--python-version=3.12", "--abi=cp312", "--platform=manylinux_2_28_x86_64", "--no-deps"} <= set(words)

    def test_missing_ones_are_named_for_each_python(self, tmp_path: Path) -> None:
        kit = parse_kit(changed("wheels", requirements={}, versions={"numba": "0.68.1", "markdown-it-py": "4.3.0"}))
        assert missing_wheels(kit, tmp_path, "3.12") == ["numba", "markdown-it-py"]
        (tmp_path / "numba-0.68.1-cp312-cp312-manylinux_2_28_x86_64.whl").touch()
        (tmp_path / "markdown_it_py-4.2.0-py3-none-any.whl").touch()
        assert missing_wheels(kit, tmp_path, "3.12") == ["markdown-it-py"]
        (tmp_path / "markdown_it_py-4.3.0-py3-none-any.whl").touch()
        assert missing_wheels(kit, tmp_path, "3.12") == []
        assert missing_wheels(kit, tmp_path, "3.13") == ["numba"]

    @pytest.mark.parametrize(("cuda", "there"), [("12.8", True), ("12.9", False)])
    def test_the_images_cuda(self, tmp_path: Path, cuda: str, there: bool) -> None:
        versions = {"bitsandbytes": "0.50.2"}
        kit = parse_kit(changed("wheels", requirements={}, versions=versions, cuda=cuda))
        (tmp_path / "wheels").mkdir()
        with ZipFile(tmp_path / "wheels" / "bitsandbytes-0.50.2-py3-none-manylinux_2_24_x86_64.whl", "w") as archive:
            archive.writestr("bitsandbytes/libbitsandbytes_cuda128.so", "")
        old = tmp_path / "wheels" / "peft-0.1-py3-none-any.whl"
        old.touch()
        files = generated_files(kit, TEMPLATE)
        if there:
            gather_wheels(kit, files, tmp_path / "wheels", ["3.12"])
        else:
            with pytest.raises(ConfigError, match=r"no libbitsandbytes_cuda129\.so"):
                gather_wheels(kit, files, tmp_path / "wheels", ["3.12"])
        assert not old.exists(), "what is no longer shipped stays"

    def test_the_bundle_holds_code_that_runs(self, kit: Kit, tmp_path: Path) -> None:
        kit = parse_kit(changed("wheels", requirements={}, versions={}))
        bundle(kit, generated_files(kit, TEMPLATE), tmp_path, [])
        code = tmp_path / "code"
        assert {path.name for path in code.iterdir()} == {"solver", "submission.py", "LICENSE", "dataset-metadata.json"}
        assert not list(code.rglob("__pycache__"))
        run = subprocess.run(
            [sys.executable, "-I", str(code / "submission.py"), "--help"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert sorted(path.name for path in (tmp_path / "kernel").iterdir()) == [
            "arc-ttt-kit.ipynb",
            "kernel-metadata.json",
        ]


class TestNotebook:
    def test_is_a_notebook(self, kit: Kit) -> None:
        content = nbformat.reads(notebook_text(kit, TEMPLATE), as_version=4)
        nbformat.validate(content)
        assert not re.search(r"@\w+@", json.dumps(content))

    def test_no_cell_ends_the_kernel_or_asserts(self, kit: Kit) -> None:
        """A cell that raises is the end of a submission."""
        content = nbformat.reads(notebook_text(kit, TEMPLATE), as_version=4)
        for cell in content.cells:
            if cell.cell_type == "code":
                for node in ast.walk(ast.parse(cell.source)):
                    assert not isinstance(node, ast.Raise | ast.Assert)
                    # In the entry script's text it is a string, which ends another process.
                    assert not (isinstance(node, ast.Attribute) and node.attr in ("exit", "_exit", "abort"))

    def test_a_name_that_the_template_lost(self, kit: Kit) -> None:
        with pytest.raises(KeyError, match="machine"):
            notebook_text(kit, TEMPLATE.replace("@machine@", ""))

    def test_values_come_from_the_one_file(self) -> None:
        text = notebook_text(parse_kit(changed("run", hours=2.5, options=["--channels", "ttt,search"])), TEMPLATE)
        assert 'int(\\"9000\\")' in text
        assert 'shlex.split(\\"--channels ttt,search\\")' in text

    @pytest.mark.parametrize(
        ("base", "words"), [("", ""), ("native", "native"), (["llama-1b", "a folder"], "llama-1b 'a folder'")]
    )
    def test_no_base_one_or_several(self, base: Any, words: str) -> None:
        made = parse_kit(changed("run", base=base))
        assert shlex.split(words) == list(made.run.bases)
        assert f'shlex.split(\\"{words}\\")' in notebook_text(made, TEMPLATE)


class TestPercent:
    def test_cells(self) -> None:
        head = '"""Not part of it."""\n\n# %% [markdown]\n# # Title\n#\n# text\n'
        script = f"{head}\n# %%\nx = 1\n\n\n# %% named\n# note\ny = 2\n"
        assert percent.read_cells(script) == [
            percent.Cell("markdown", "# Title\n\ntext"),
            percent.Cell("code", "x = 1"),
            percent.Cell("code", "# note\ny = 2"),
        ]
        nbformat.validate(nbformat.reads(percent.render(script), as_version=4))

    def test_a_script_is_converted(self, tmp_path: Path) -> None:
        (tmp_path / "script.py").write_text("# %%\nx = 1\n")
        command = [sys.executable, str(FOLDER / "percent.py")]
        assert subprocess.run([*command, "script.py", "out.ipynb"], cwd=tmp_path, check=False).returncode == 0
        nbformat.validate(nbformat.read(tmp_path / "out.ipynb", as_version=4))
        for words, named in ((["none.py", "x.ipynb"], "none.py"), (["script.py", "no/x.ipynb"], "no/x.ipynb")):
            done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (2, f"error: {named}: No such file or directory\n")

    def test_empty_cells_are_left_out(self) -> None:
        assert percent.read_cells("# %%\n\n# %%\n") == []


class Runs:
    """The notebook's last but one cell, with runs that only say what they were started with.

    codes: exit codes, one run after the other; records: events that the first run leaves in its journal.
    """

    def __init__(self, cells: Callable[[int], dict[str, Any]], codes: list[int], records: list[str]) -> None:
        self.notebook = cells(3)
        self.notebook |= {"BASE_OPTIONS": ["--base=large"], "TEST": None}
        self.codes, self.records = codes, records
        self.words: list[list[str]] = []
        (self.source,) = (
            cell.source
            for cell in percent.read_cells(TEMPLATE)
            if cell.kind == "code" and "def solve_hidden" in cell.source
        )
        exec(self.source, self.notebook)
        self.notebook["run"] = self.run

    def run(self, *words: Any, seconds: float) -> int:
        if not self.words and self.records:
            journal = self.notebook["RUN_DIR"] / "journal.jsonl"
            journal.parent.mkdir()
            lines = [json.dumps({"event": event, "text": f"a {event}"}) for event in self.records]
            journal.write_text("\n".join([*lines, '{"event": "ta']))
        words = words[len(self.notebook["ENTRY"]) :]
        self.words.append([str(word) for word in words[: words.index("--time-budget")]])
        return self.codes[len(self.words) - 1]

    def dry(self) -> list[str]:
        """What speaks against submitting, after a dry run."""
        self.notebook |= {"CODE": Path("code"), "TEST": Path("challenges.json"), "TROUBLE": []}
        exec(self.source, self.notebook)
        return list(self.notebook["TROUBLE"])

    def hidden(self, seconds_gone: float = 0.0) -> int:
        self.notebook["BEGAN"] -= seconds_gone
        return int(self.notebook["solve_hidden"]())


class TestRuns:
    def test_a_run_that_ends_well_is_the_only_one(self, cells: Callable[[int], dict[str, Any]]) -> None:
        runs = Runs(cells, [0], ["run", "task", "end"])
        assert runs.hidden() == 0
        assert len(runs.words) == 1
        assert "--base=large" in runs.words[0]

    @pytest.mark.parametrize("event", ["task", "search", "programs"])
    def test_a_run_that_breaks_down_is_gone_on_with(self, cells: Callable[[int], dict[str, Any]], event: str) -> None:
        runs = Runs(cells, [-9, 0], ["run", "problem", event])
        assert runs.hidden() == 0
        first, second = runs.words
        assert second == [*first, "--resume"]

    def test_its_answers_are_never_given_up(self, cells: Callable[[int], dict[str, Any]]) -> None:
        runs = Runs(cells, [-9, 1], ["run", "task"])
        assert runs.hidden() == 1
        assert len(runs.words) == 2

    @pytest.mark.parametrize("records", [[], ["run", "problem"]])
    def test_one_that_has_found_nothing_is_followed_by_the_embedded_base(
        self, cells: Callable[[int], dict[str, Any]], records: list[str]
    ) -> None:
        runs = Runs(cells, [2, 0], records)
        assert runs.hidden() == 0
        first, second = runs.words
        assert first[:4] == second[:4]
        assert second[second.index("--base") + 1] == "native"
        assert first[first.index("--run-dir") + 1] != second[second.index("--run-dir") + 1]
        assert "--resume" not in second

    @pytest.mark.parametrize("records", [["run"], ["run", "task"]])
    def test_nothing_is_begun_when_the_time_is_over(
        self, cells: Callable[[int], dict[str, Any]], records: list[str]
    ) -> None:
        runs = Runs(cells, [-9], records)
        assert runs.hidden(seconds_gone=runs.notebook["BUDGET"] + 600.0) == -9
        assert len(runs.words) == 1

    @pytest.mark.parametrize(
        ("code", "records", "trouble"),
        [
            (0, ["run", "worker", "task"], []),
            (0, ["run", "problem", "task", "problem"], ["in the run: a problem"]),
            (2, [], ["the run ended with exit code 2; what it said is above"]),
        ],
    )
    def test_what_went_wrong_in_a_dry_run_speaks_against_submitting(
        self, cells: Callable[[int], dict[str, Any]], code: int, records: list[str], trouble: list[str]
    ) -> None:
        runs = Runs(cells, [code], records)
        assert runs.dry() == trouble
        assert len(runs.words) == 1
        assert "--limit" in runs.words[0]


@pytest.fixture
def cells(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], dict[str, Any]]:
    """Executes the notebook's first code cells on an empty machine; what they define."""
    monkeypatch.setenv("ARC_KIT_KAGGLE", str(tmp_path))
    monkeypatch.delenv("KAGGLE_IS_COMPETITION_RERUN", raising=False)
    (tmp_path / "input").mkdir(exist_ok=True)

    def execute(count: int) -> dict[str, Any]:
        content = nbformat.reads(notebook_text(kit, TEMPLATE), as_version=4)
        module = types.ModuleType("notebook")
        for cell in [cell for cell in content.cells if cell.cell_type == "code"][:count]:
            exec(cell.source, module.__dict__)
        return module.__dict__

    return execute


class TestFirstCells:
    @pytest.mark.parametrize("place", ["competitions/arc-prize-2026", "arc-prize-2026", "elsewhere/deep"])
    @pytest.mark.parametrize("hyphen", [False, True])
    def test_a_complete_submission_before_anything_else(
        self, cells: Callable[[int], dict[str, Any]], tmp_path: Path, place: str, hyphen: bool
    ) -> None:
        tasks = make_tasks(4)
        name = "arc-agi_test_challenges.json"
        folder = tmp_path / "input" / place
        folder.mkdir(parents=True)
        write_tasks(folder / (name.replace("_", "-") if hyphen else name), tasks)
        assert cells(2)["TROUBLE"] == []
        submission = read_json(tmp_path / "working" / "submission.json")
        assert check_submission(submission, tasks, "submission") == []

    def test_the_competitions_own_file_wins(self, cells: Callable[[int], dict[str, Any]], tmp_path: Path) -> None:
        for place, count in (("a-dataset", 1), ("competitions/arc-prize-2026/data", 3)):
            folder = tmp_path / "input" / place
            folder.mkdir(parents=True)
            write_tasks(folder / "arc-agi_test_challenges.json", make_tasks(count))
        found = cells(2)["TEST"]
        assert len(read_challenges(found)) == 3

    def test_nothing_attached_is_said(self, cells: Callable[[int], dict[str, Any]]) -> None:
        competition, code = cells(3)["TROUBLE"]
        assert "attach the competition arc-prize-2026" in competition
        assert "attach the dataset arc-ttt-kit-code" in code

    @pytest.mark.parametrize("place", ["datasets/me/arc-ttt-kit-code", "arc-ttt-kit-code", "arc-ttt-kit-code/solver"])
    def test_the_code_is_found(self, cells: Callable[[int], dict[str, Any]], tmp_path: Path, place: str) -> None:
        """The last place: an archive that was unpacked into a folder of its name."""
        package = tmp_path / "input" / place / "solver"
        package.mkdir(parents=True)
        (package / "__main__.py").touch()
        assert cells(3)["CODE"] == package.parent

    @pytest.mark.parametrize("inside", ["", "solver/"])
    def test_packed_code_is_unpacked(
        self, cells: Callable[[int], dict[str, Any]], tmp_path: Path, inside: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)
        (tmp_path / "input" / "code").mkdir()
        with ZipFile(tmp_path / "input" / "code" / "solver.zip", "w") as archive:
            archive.writestr(f"{inside}__main__.py", "print('here')")
            archive.writestr(f"{inside}search/__init__.py", "")
        code = cells(3)["CODE"]
        assert (code / "solver" / "__main__.py").is_file()
        assert (code / "solver" / "search" / "__init__.py").is_file()

    def test_a_command_that_hangs_is_ended(
        self, cells: Callable[[int], dict[str, Any]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = cells(3)["run"]
        # Its child holds the pipe as well.
        child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
        assert run(sys.executable, "-c", child, seconds=1.0) < 0
        assert run(sys.executable, "-c", "print('said'); raise SystemExit(3)") == 3
        assert "said" in capsys.readouterr().out

    def test_a_long_log_is_cut(
        self, cells: Callable[[int], dict[str, Any]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cells(3)["run"](sys.executable, "-c", "for _ in range(50000): print('x' * 100)") == 0
        assert len(capsys.readouterr().out) < 4_000_000
