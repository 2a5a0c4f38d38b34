"""The command lines: what they refuse, in one line and before anything is written, and what they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from solver import cli, profiles, runner, submit
from solver.attempts import check_submission, write_submission
from solver.deciding import StopEarly
from solver.profiles import NATIVE, Decode, DecodeSettings, attached_writers, find_writer
from solver.settings import Settings
from solver.task import Task, read_challenges, read_split
from solver.voting import fallback
from tests.fake_search import SearchScript
from tests.fake_worker import Script, make_tasks, write_base, write_tasks
from tests.fake_writer import WriterScript

ROOT = Path(__file__).parents[1]
TASKS = make_tasks(3)


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with challenges, solutions, a base, and a submission that must not be lost."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAGGLE_IS_COMPETITION_RERUN", raising=False)
    monkeypatch.setattr(submit, "visible_gpus", list)
    write_tasks(tmp_path / "challenges.json", TASKS)
    write_base(tmp_path / "base")
    save("solutions.json", {task.id: [grid.to_json() for grid in task.test_inputs] for task in TASKS})
    (tmp_path / "submission.json").write_text("precious")
    (tmp_path / "folder").mkdir()
    return tmp_path


def save(name: str, value: Any) -> None:
    Path(name).write_text(value if isinstance(value, str) else json.dumps(value))


def save_fallbacks(name: str) -> None:
    """A valid submission of which nothing is known to be right."""
    answers = {query: fallback(task, query.index) for task in TASKS for query in task.queries()}
    write_submission(Path(name), TASKS, answers)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, with the files' contents."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def call(command: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """The exit code, whether it is returned or, as argparse does, raised."""
    try:
        return command(words)
    except SystemExit as stop:
        return int(str(stop.code))


def must_not_start(*_: object) -> None:
    pytest.fail("the run was started")


SOURCE = ("--challenges", "challenges.json", "--base", "base", "--run-dir", "runs/one")


NO_WRITER = (profiles.INDUCTION_BASE, "tokenizer.json", "safetensors", str(profiles.KAGGLE_INPUT), "--programs-base")
"""What must be said where a base that writes programs is wanted and there is none."""


class TestRefusals:
    @pytest.fixture
    def refused(
        self, desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., None]:
        def check(*words: str, names: Sequence[str], start: Callable[..., Any] = must_not_start) -> None:
            monkeypatch.setattr(submit, "run", start)
            before = tree(desk)
            assert call(cli.submission, words) == 2
            printed = capsys.readouterr()
            assert printed.out == ""
            assert printed.err.startswith("error: ")
            assert printed.err.count("\n") == 1, printed.err
            assert printed.err.endswith("\n")
            assert [name for name in names if name not in printed.err] == [], printed.err
            assert len(printed.err) < 400
            assert tree(desk) == before, "something was written"

        return check

    def changed(self, **fields: Any) -> dict[str, Any]:
        """The challenges with fields of their second task replaced; None leaves one out."""
        content = json.loads(Path("challenges.json").read_text())
        task = content["task01"] | fields
        return content | {"task01": {key: value for key, value in task.items() if value is not None}}

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("", ["not valid JSON"]),
            ('{"task00": ', ["not valid JSON"]),
            ("\ufeff{}", ["not valid JSON"]),
            ("[" * 100_000, ["not valid JSON"]),
            ("[]", ["is not an object"]),
            ("7", ["is not an object"]),
            ("{}", ["holds no task"]),
            ('{"a": {}, "a": {}}', ["'a'", "twice"]),
            ('{"a": []}', ["task a", "is not an object"]),
            ('{"a\\nb": {}}', ["task a", "'train' is missing"]),
        ],
    )
    def test_challenges_that_are_no_tasks(self, refused: Callable[..., None], text: str, names: list[str]) -> None:
        save("challenges.json", text)
        refused(*SOURCE, names=["challenges.json", *names])

    def test_challenges_in_no_encoding(self, refused: Callable[..., None]) -> None:
        Path("challenges.json").write_bytes(b"\xff\xfe\x00{}")
        refused(*SOURCE, names=["challenges.json", "cannot be read"])

    @pytest.mark.parametrize(
        ("fields", "names"),
        [
            ({"train": None}, ["'train'", "missing"]),
            ({"train": []}, ["train", "non-empty list"]),
            ({"train": {}}, ["train", "non-empty list"]),
            ({"test": None}, ["'test'", "missing"]),
            ({"test": []}, ["test", "non-empty list"]),
            ({"train": [{"input": [[1]]}]}, ["train[0]", "'output'", "missing"]),
            ({"train": [{"input": [[1]], "output": [[1, 2], [3]]}]}, ["train[0].output", "ragged", "row 1"]),
            ({"train": [{"input": [[10]], "output": [[1]]}]}, ["train[0].input", "10", "not a colour"]),
            ({"train": [{"input": [[-1]], "output": [[1]]}]}, ["train[0].input", "-1", "not a colour"]),
            ({"train": [{"input": [[1.0]], "output": [[1]]}]}, ["train[0].input", "1.0", "not a colour"]),
            ({"train": [{"input": [[True]], "output": [[1]]}]}, ["train[0].input", "True", "not a colour"]),
            ({"test": [{"input": [[0] * 31]}]}, ["test[0].input", "31 cells wide"]),
            ({"test": [{"input": [[0]]}, {"input": [[0]] * 31}]}, ["test[1].input", "31 rows"]),
            ({"test": [{"input": []}]}, ["test[0].input", "non-empty"]),
            ({"test": [{"input": [[]]}]}, ["test[0].input", "row 0"]),
            ({"test": [[[1]]]}, ["test[0]", "is not an object"]),
        ],
    )
    def test_a_broken_task(self, refused: Callable[..., None], fields: dict[str, Any], names: list[str]) -> None:
        save("challenges.json", self.changed(**fields))
        refused(*SOURCE, names=["challenges.json", "task task01", *names])

    def test_no_such_challenges(self, refused: Callable[..., None]) -> None:
        refused("--challenges", "none.json", *SOURCE[2:], names=["none.json", "no such file"])
        refused("--challenges", "folder", *SOURCE[2:], names=["folder", "no .json task file"])

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["--output", "missing/submission.json"], ["--output", "missing"]),
            (["--output", "challenges.json/submission.json"], ["--output", "challenges.json"]),
            (["--output", "folder"], ["--output folder", "is a folder"]),
            (["--output", "x" * 300], ["--output", "xxx"]),
            pytest.param(
                ["--output", "/proc/submission.json"],
                ["--output", "/proc"],
                marks=pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no /proc"),
            ),
            (["--run-dir", "challenges.json"], ["--run-dir challenges.json"]),
            (["--run-dir", "challenges.json/run"], ["--run-dir challenges.json/run"]),
            (["--time-budget", "0"], ["--time-budget 0", "more than zero"]),
            (["--time-budget", "0m"], ["--time-budget 0m", "more than zero"]),
            (["--time-budget", "-5m"], ["--time-budget"]),
            (["--time-budget", "soon"], ["--time-budget soon", "10m"]),
            (["--time-budget", "10 m"], ["--time-budget 10 m"]),
            (["--time-budget", ""], ["--time-budget"]),
            (["--search-seconds", "0"], ["--search-seconds 0", "more than zero"]),
            (["--search-seconds", "long"], ["--search-seconds long", "10m"]),
            (["--task-ids", "task00,nobody"], ["--task-ids", "nobody"]),
            (["--limit", "0"], ["--limit 0"]),
            (["--limit", "-1"], ["--limit -1"]),
            (["--limit", "few"], ["--limit", "few"]),
            (["--workers", "0"], ["--workers 0"]),
            (["--device", "abacus"], ["--device abacus", "PyTorch"]),
            (["--device", "cuda:7"], ["--device cuda:7", "PyTorch"]),
            (["--workers", "-2"], ["--workers -2"]),
            (["--passes", "0"], ["--passes 0"]),
            (["--ttt-steps", "-1"], ["--ttt-steps -1"]),
            (["--seed", "one"], ["--seed", "one"]),
            (["--vote", "loud"], ["--vote", "loud", "hierarchical"]),
            (["--decode", "beam"], ["--decode", "beam", "greedy"]),
            (["--stop-early", "always"], ["--stop-early", "always", "exact"]),
            (["--stop-early", "likely"], ["--stop-early likely", "--vote poe+counts"]),
            (["--decode", "dfs", "--decode-threshold", "0"], ["--decode-threshold 0", "probability"]),
            (["--decode", "dfs", "--decode-threshold", "1"], ["--decode-threshold 1", "probability"]),
            (["--decode", "dfs", "--decode-threshold", "nan"], ["--decode-threshold nan", "probability"]),
            (["--decode", "dfs", "--decode-threshold", "low"], ["--decode-threshold", "low"]),
            (["--decode-threshold", "0.1"], ["--decode-threshold 0.1", "--decode dfs"]),
            (["--channels", "ttt,luck"], ["--channels ttt,luck", "luck is not one", "ttt, search"]),
            (["--channels", "TTT"], ["--channels TTT", "TTT is not one"]),
            (["--channels", ""], ["--channels", "a name is empty", "ttt, search"]),
            (["--channels", "ttt,"], ["--channels ttt,", "a name is empty"]),
            (["--channels", " "], ["--channels", "a name is empty"]),
            (["--channels", "programs"], ["--channels programs", *NO_WRITER]),
            (["--channels", "ttt,search,programs"], ["--channels programs", *NO_WRITER]),
            (["--programs-base", "nowhere"], ["--programs-base nowhere", "is not a folder"]),
            (["--programs-base", "challenges.json"], ["--programs-base challenges.json", "is not a folder"]),
            (["--programs-base", "folder"], ["folder/config.json", "no such file"]),
            (["--programs-base", ""], ["config.json", "no such file"]),
            (["--programs-base", "base", "--channels", "ttt"], ["--programs-base", "--channels ttt"]),
            (["--programs-base", "base", "--channels", "search,ttt"], ["--programs-base", "--channels search,ttt"]),
            (["--quantize", "int3"], ["--quantize", "int3", "nf4"]),
            (["--split", "arc1-training"], ["--split", "--challenges"]),
            (["--no-such-option"], ["--no-such-option"]),
            (["--base"], ["--base"]),
            (["--base", "nothing-like-it"], ["--base nothing-like-it", "native"]),
            (["--base", "challenges.json"], ["--base challenges.json"]),
            (["--base", "folder"], ["folder/config.json", "no such file"]),
            (["--base", "base"], ["--base base", "twice"]),
            (["--solutions", "none.json"], ["none.json", "no such file"]),
        ],
    )
    def test_options(self, refused: Callable[..., None], words: list[str], names: list[str]) -> None:
        refused(*SOURCE, *words, names=names)

    def test_a_folder_that_nobody_may_write_to(self, refused: Callable[..., None]) -> None:
        if not os.getuid():
            pytest.skip("root may write anywhere")
        Path("folder").chmod(0o500)
        refused(*SOURCE, "--output", "folder/submission.json", names=["--output", "folder"])
        refused(*SOURCE, "--run-dir", "folder/run", names=["--run-dir", "folder"])

    def test_split(self, refused: Callable[..., None]) -> None:
        refused("--split", "arc9-training", names=["--split", "arc9-training", "arc1-training"])

    def test_solutions_without_challenges(self, refused: Callable[..., None]) -> None:
        refused("--solutions", "solutions.json", "--base", "base", names=["--solutions", "--challenges"])

    def test_resume_without_a_run_directory(self, refused: Callable[..., None]) -> None:
        refused(*SOURCE[:4], "--resume", names=["--resume", "--run-dir"])

    def test_no_tasks_at_all_even_where_the_number_has_a_default(self, refused: Callable[..., None]) -> None:
        refused("--base", "base", "--limit", "0", names=["--limit 0"])

    @pytest.mark.parametrize(
        ("file", "content", "names"),
        [
            ("model.safetensors", b"", ["safetensors"]),
            ("model.safetensors", b"not tensors at all", ["safetensors"]),
            ("config.json", b"{", ["cannot be read"]),
            ("config.json", b"[]", ["is not an object"]),
            ("tokenizer.json", b"{}", ["tokenizer"]),
            ("tokenizer.json", b'{"model": {"vocab": {"a": 0}}}', ["not a readable tokenizer"]),
        ],
    )
    def test_a_broken_base(self, refused: Callable[..., None], file: str, content: bytes, names: list[str]) -> None:
        (Path("base") / file).write_bytes(content)
        refused(*SOURCE, names=[f"base/{file}", *names])

    def test_weights_cut_short(self, refused: Callable[..., None]) -> None:
        path = Path("base/model.safetensors")
        path.write_bytes(path.read_bytes()[:-1])
        refused(*SOURCE, names=[str(path), "safetensors"])

    @pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
    def test_a_base_without_one_of_its_files(self, refused: Callable[..., None], file: str) -> None:
        (Path("base") / file).unlink()
        refused(*SOURCE, names=["base", file.removeprefix("model")])

    @pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
    def test_a_base_that_writes_programs_without_one_of_its_files(
        self, refused: Callable[..., None], file: str
    ) -> None:
        (write_base(Path("writer")) / file).unlink()
        refused(*SOURCE, "--programs-base", "writer", names=["writer", file.removeprefix("model")])

    @pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
    def test_a_base_that_writes_programs_with_a_broken_file(self, refused: Callable[..., None], file: str) -> None:
        (write_base(Path("writer")) / file).write_bytes(b"{")
        words = ("--challenges", "challenges.json", "--channels", "programs", "--programs-base", "writer")
        refused(*words, names=[f"writer/{file}"])

    @pytest.mark.parametrize(
        ("content", "names"),
        [
            ("", ["not valid JSON"]),
            ([], ["is not an object"]),
            ({"task00": [[[1]]], "task01": [[[1]], [[2]]]}, ["task task02", "missing"]),
            ({"task00": [[[1]]], "task01": [[[1]]], "task02": [[[1]]]}, ["task task01", "1", "2"]),
            ({"task00": [[[10]]]}, ["task task00", "10"]),
            ({"task00": [[[1], [1, 2]]]}, ["task task00", "ragged"]),
            ({"task00": []}, ["task task00", "non-empty"]),
        ],
    )
    def test_solutions(self, refused: Callable[..., None], content: Any, names: list[str]) -> None:
        save("solutions.json", content)
        refused(*SOURCE, "--solutions", "solutions.json", names=["solutions.json", *names])

    def test_a_run_that_is_recorded_already(self, refused: Callable[..., None], desk: Path) -> None:
        Path("runs/one").mkdir(parents=True)
        Path("runs/one/journal.jsonl").write_text("")
        refused(*SOURCE, names=["runs/one/journal.jsonl", "--resume"], start=runner.run)
        Path("runs/one/journal.jsonl").write_text('{"event":"run","seed":5,"base":"base"}\n')
        refused(*SOURCE, "--resume", names=["runs/one/journal.jsonl", "cannot resume"], start=runner.run)
        Path("runs/one/journal.jsonl").write_text('{"event":"ablation","seed":0}\n')
        refused(*SOURCE, "--resume", names=["runs/one/journal.jsonl", "something else"], start=runner.run)

    def test_the_script_itself_exits_with_2(self, desk: Path) -> None:
        done = subprocess.run(
            [sys.executable, str(ROOT / "submission.py"), "--challenges", "none.json", "--base", "base"],
            capture_output=True,
            text=True,
            cwd=desk,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: none.json: no such file\n")


def attach(monkeypatch: pytest.MonkeyPatch, desk: Path) -> Path:
    """A base that writes programs, where Kaggle mounts models."""
    root = desk / "input"
    monkeypatch.setattr(submit, "attached_writers", lambda: attached_writers(root))
    monkeypatch.setattr(submit, "find_writer", lambda name: find_writer(name, root))
    return write_base(root / "models/someone/an-induction-base/transformers/default/1")


class CaughtError(Exception):
    """Stops a submission where its run would begin."""

    def __init__(self, settings: Settings, tasks: Sequence[Task]) -> None:
        self.settings, self.tasks = settings, tasks


class TestSettings:
    """What the options become."""

    @pytest.fixture
    def resolved(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., CaughtError]:
        def start(settings: Settings, tasks: Sequence[Task], *_: object) -> None:
            raise CaughtError(settings, tasks)

        def resolve(*words: str, cores: int = 8) -> CaughtError:
            monkeypatch.setattr(submit, "run", start)
            monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
            with pytest.raises(CaughtError) as caught:
                cli.submission(words)
            return caught.value

        return resolve

    def test_defaults(self, resolved: Callable[..., CaughtError]) -> None:
        caught = resolved(*SOURCE)
        settings = caught.settings
        assert tuple(caught.tasks) == read_challenges(Path("challenges.json"))
        assert settings.output == Path("submission.json")
        assert settings.run_dir == Path("runs/one")
        assert settings.budget == 12 * 3600
        assert settings.profiles[0].folder == Path("base")
        assert (settings.quantize, settings.vote, settings.seed) == ("nf4", "poe+counts", 0)
        assert (settings.ttt, settings.ttt_steps, settings.passes, settings.resume) == (True, None, 4, False)
        assert (settings.decode, settings.stop_early) == (Decode.GREEDY, StopEarly.EXACT)
        assert settings.profiles[0].decoding == DecodeSettings()
        assert settings.channels() == ["ttt", "search"]

    def test_several_bases(self, resolved: Callable[..., CaughtError], desk: Path) -> None:
        write_base(desk / "large")
        save("large/config.json", {"hidden_size": 4096, "num_hidden_layers": 32})
        settings = resolved(*SOURCE, "--base", "large").settings
        assert [profile.folder for profile in settings.profiles] == [Path("base"), Path("large")]
        assert settings.bases() == ["base", "large"]
        # The large one needs all cores, and a device goes from one base to the next.
        assert (settings.devices, settings.threads) == (("cpu",), 8)
        dfs = resolved(*SOURCE, "--base", "large", "--decode", "dfs", "--decode-threshold", "0.25").settings
        assert [profile.decoding.threshold for profile in dfs.profiles] == [0.25, 0.25]

    def test_every_option_arrives(self, resolved: Callable[..., CaughtError]) -> None:
        settings = resolved(
            *SOURCE,
            *("--output", "folder/out.json", "--time-budget", "1h30m", "--seed", "9", "--passes", "2"),
            *("--quantize", "none", "--vote", "flat", "--resume", "--workers", "3", "--device", "cpu"),
            *("--decode", "dfs", "--decode-threshold", "0.25", "--stop-early", "likely"),
        ).settings
        assert (settings.decode, settings.stop_early) == (Decode.DFS, StopEarly.LIKELY)
        assert settings.profiles[0].decoding == DecodeSettings(threshold=0.25)
        assert settings.output == Path("folder/out.json")
        assert settings.budget == 5400
        assert (settings.quantize, settings.vote, settings.seed) == ("none", "flat", 9)
        assert (settings.passes, settings.resume) == (2, True)
        assert settings.devices == ("cpu",) * 3

    @pytest.mark.parametrize("words", [("--no-ttt",), ("--ttt-steps", "3")])
    def test_what_must_be_repeatable_has_one_pass(
        self, resolved: Callable[..., CaughtError], words: Sequence[str]
    ) -> None:
        settings = resolved(*SOURCE, *words, "--passes", "5").settings
        assert settings.passes == 1
        assert settings.ttt == ("--no-ttt" not in words)
        assert settings.ttt_steps == (None if "--no-ttt" in words else 3)

    @pytest.mark.parametrize(
        ("words", "gpus", "devices", "threads"),
        [
            ((), 0, ("cpu",) * 8, 1),
            (("--workers", "2"), 0, ("cpu",) * 2, 4),
            (("--workers", "20"), 0, ("cpu",) * 20, 1),
            ((), 2, ("cuda:0", "cuda:1"), 0),
            (("--workers", "3"), 2, ("cuda:0", "cuda:1", "cuda:0"), 0),
            (("--workers", "1"), 2, ("cuda:0",), 0),
            (("--device", "cpu", "--workers", "1"), 2, ("cpu",), 8),
            (("--device", "cuda:1"), 2, ("cuda:1",), 0),
        ],
    )
    def test_workers(
        self,
        resolved: Callable[..., CaughtError],
        monkeypatch: pytest.MonkeyPatch,
        words: Sequence[str],
        gpus: int,
        devices: tuple[str, ...],
        threads: int,
    ) -> None:
        monkeypatch.setattr(submit, "visible_gpus", lambda: [f"cuda:{number}" for number in range(gpus)])
        settings = resolved(*SOURCE, *words).settings
        assert (settings.devices, settings.threads) == (devices, threads)

    def test_blanks_between_ids_do_not_matter(self, resolved: Callable[..., CaughtError]) -> None:
        tasks = resolved(*SOURCE, "--task-ids", " task02, task00 ,").tasks
        assert [task.id for task in tasks] == ["task02", "task00"]

    def test_a_large_base_has_one_worker_with_all_cores(self, resolved: Callable[..., CaughtError]) -> None:
        save("base/config.json", {"hidden_size": 4096, "num_hidden_layers": 32})
        settings = resolved(*SOURCE).settings
        assert (settings.devices, settings.threads, settings.searchers) == (("cpu",), 8, 8)

    @pytest.mark.parametrize(
        ("words", "gpus", "searchers", "turns"),
        [
            ((), 0, 8, True),
            (("--workers", "2"), 0, 2, True),
            (("--workers", "20"), 0, 20, True),
            ((), 2, 6, False),
            (("--workers", "3"), 2, 5, False),
            (("--workers", "9"), 2, 1, False),
            (("--device", "cpu"), 2, 8, True),
            (("--device", "cuda:1"), 2, 7, False),
            (("--device", "cuda"), 2, 7, False),
            (("--channels", "ttt"), 0, 0, False),
            (("--channels", "ttt"), 2, 0, False),
            (("--channels", "search"), 0, 8, False),
            (("--channels", "search"), 2, 8, False),
            (("--channels", "search", "--workers", "3"), 2, 3, False),
        ],
    )
    def test_search_workers(
        self,
        resolved: Callable[..., CaughtError],
        monkeypatch: pytest.MonkeyPatch,
        words: Sequence[str],
        gpus: int,
        searchers: int,
        turns: bool,
    ) -> None:
        monkeypatch.setattr(submit, "visible_gpus", lambda: [f"cuda:{number}" for number in range(gpus)])
        settings = resolved(*SOURCE, *words).settings
        assert (settings.searchers, settings.turns()) == (searchers, turns)

    @pytest.mark.parametrize(
        ("text", "channels"),
        [
            ("ttt", ["ttt"]),
            ("search", ["search"]),
            ("search,ttt", ["ttt", "search"]),
            (" ttt , search ", ["ttt", "search"]),
            ("ttt,ttt", ["ttt"]),
            ("programs", ["programs"]),
            ("programs, search", ["search", "programs"]),
            ("programs,ttt", ["ttt", "programs"]),
            ("search,programs,ttt", ["ttt", "search", "programs"]),
        ],
    )
    def test_channels(
        self,
        resolved: Callable[..., CaughtError],
        text: str,
        channels: list[str],
        monkeypatch: pytest.MonkeyPatch,
        desk: Path,
    ) -> None:
        attach(monkeypatch, desk)
        settings = resolved(*SOURCE, "--channels", text).settings
        assert settings.channels() == channels
        assert (not settings.profiles) == ("ttt" not in channels)
        assert (settings.writer is None) == ("programs" not in channels)
        assert (not settings.devices) == (channels == ["search"])

    def test_an_attached_base_that_writes_programs_joins_in(
        self, resolved: Callable[..., CaughtError], monkeypatch: pytest.MonkeyPatch, desk: Path
    ) -> None:
        folder = attach(monkeypatch, desk)
        monkeypatch.setattr(submit, "visible_gpus", list)
        assert resolved(*SOURCE).settings.writer is None, "on a CPU it takes minutes for a text"
        monkeypatch.setattr(submit, "visible_gpus", lambda: ["cuda:0"])
        settings = resolved(*SOURCE).settings
        assert settings.channels() == ["ttt", "search", "programs"]
        assert (settings.writer, settings.profiles[0].folder) == (folder, Path("base"))
        assert resolved(*SOURCE, "--channels", "ttt,search").settings.writer is None

    def test_a_named_base_that_writes_programs_joins_in(
        self, resolved: Callable[..., CaughtError], monkeypatch: pytest.MonkeyPatch, desk: Path
    ) -> None:
        write_base(Path("writer"))
        assert resolved(*SOURCE, "--programs-base", "writer").settings.channels() == ["ttt", "search", "programs"]
        attach(monkeypatch, desk)
        assert resolved(*SOURCE, "--programs-base", "writer").settings.writer == Path("writer")

    @pytest.mark.parametrize(
        ("words", "gpus", "devices", "threads", "searchers", "turns"),
        [
            # A large base on a CPU needs all cores, whatever else is to be done.
            ((), 0, ("cpu",), 8, 8, True),
            (("--workers", "2"), 0, ("cpu", "cpu"), 4, 2, True),
            ((), 2, ("cuda:0", "cuda:1"), 0, 6, False),
            (("--channels", "programs"), 0, ("cpu",), 8, 0, False),
            (("--channels", "programs"), 2, ("cuda:0", "cuda:1"), 0, 0, False),
            (("--channels", "programs", "--device", "cuda:1"), 2, ("cuda:1",), 0, 0, False),
            (("--channels", "search,programs"), 0, ("cpu",), 8, 8, True),
            (("--channels", "search,programs"), 2, ("cuda:0", "cuda:1"), 0, 6, False),
        ],
    )
    def test_workers_where_programs_are_written(
        self,
        resolved: Callable[..., CaughtError],
        monkeypatch: pytest.MonkeyPatch,
        words: Sequence[str],
        gpus: int,
        devices: tuple[str, ...],
        threads: int,
        searchers: int,
        turns: bool,
    ) -> None:
        monkeypatch.setattr(submit, "visible_gpus", lambda: [f"cuda:{number}" for number in range(gpus)])
        write_base(Path("writer"))
        settings = resolved(*SOURCE, "--programs-base", "writer", *words).settings
        assert (settings.devices, settings.threads) == (devices, threads)
        assert (settings.searchers, settings.turns()) == (searchers, turns)

    def test_without_the_model_no_base_is_needed(self, resolved: Callable[..., CaughtError]) -> None:
        settings = resolved(
            "--challenges", "challenges.json", "--base", "nothing-like-it", "--channels", "search"
        ).settings
        assert settings.profiles == ()

    def test_searches_share_half_of_the_memory(
        self, resolved: Callable[..., CaughtError], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for usable, each in ((2**40, 2 * 2**30), (16 * 2**30, 2**30)):
            monkeypatch.setattr(submit, "usable_memory", lambda usable=usable: usable)
            assert resolved(*SOURCE).settings.search_memory == each

    def test_tasks_by_id_and_number(self, resolved: Callable[..., CaughtError]) -> None:
        assert [task.id for task in resolved(*SOURCE, "--task-ids", "task02,task00").tasks] == ["task02", "task00"]
        assert len(resolved(*SOURCE, "--limit", "2").tasks) == 2
        assert len(resolved(*SOURCE, "--limit", "99").tasks) == 3

    def test_a_run_directory_of_its_own_by_default(self, resolved: Callable[..., CaughtError]) -> None:
        assert resolved(*SOURCE[:4]).settings.run_dir.parent == Path("runs")

    def test_without_arguments_it_is_a_dry_run_of_the_embedded_base(
        self, resolved: Callable[..., CaughtError], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(submit, "find_base", lambda name: {"native": NATIVE}[name])
        caught = resolved()
        assert len(caught.tasks) == 40
        assert {task.id for task in caught.tasks} < {task.id for task in read_split("arc1-evaluation")}
        assert caught.settings.budget == 600


class TestSubmission:
    """Whole runs with fake workers."""

    @pytest.fixture(autouse=True)
    def fakes(self, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (desk / "notes").mkdir()
        monkeypatch.setattr(runner, "enter", Script(desk / "notes"))
        monkeypatch.setattr(runner, "enter_search", SearchScript(desk / "notes"))
        monkeypatch.setattr(runner, "enter_writing", WriterScript(desk / "notes"))

    def test_solves_scores_and_says_where_the_answers_are(self, capsys: pytest.CaptureFixture[str]) -> None:
        words = (*SOURCE, "--device", "cpu", "--workers", "2", "--no-ttt", "--time-budget", "90s")
        assert cli.submission((*words, "--solutions", "solutions.json")) == 0
        content = json.loads(Path("submission.json").read_text())
        assert check_submission(content, TASKS, "submission") == []
        printed = capsys.readouterr()
        assert "\x1b" not in printed.out
        assert "score: mean of solved fractions" in printed.out
        assert "3 in all, 3 done" in printed.out
        assert "3 of 3 tasks searched" in printed.out
        assert "program search alone" in printed.out
        assert printed.out.endswith("wrote submission.json\n")
        assert printed.err == ""

    def test_resume_keeps_what_is_done(self, capsys: pytest.CaptureFixture[str], desk: Path) -> None:
        words = (*SOURCE, "--device", "cpu", "--workers", "1", "--no-ttt", "--time-budget", "90s")
        assert cli.submission(words) == 0
        first = Path("submission.json").read_bytes()
        Path("submission.json").unlink()
        assert cli.submission((*words, "--resume")) == 0
        printed = capsys.readouterr().out
        assert "resumed: 3 tasks were finished before, 3 were searched" in printed
        assert "nothing is recorded" not in printed
        assert Path("submission.json").read_bytes() == first
        assert len(Script(desk / "notes").read("jobs")) == 3
        assert len(SearchScript(desk / "notes").searched()) == 3

    def test_resume_of_a_run_that_never_began_begins_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        words = (*SOURCE, "--device", "cpu", "--workers", "1", "--no-ttt", "--time-budget", "90s", "--resume")
        assert cli.submission(words) == 0
        assert "nothing is recorded in runs/one: this is the beginning" in capsys.readouterr().out
        assert check_submission(json.loads(Path("submission.json").read_text()), TASKS, "submission") == []

    def test_resume_has_the_same_channels_unless_others_are_named(
        self, capsys: pytest.CaptureFixture[str], desk: Path
    ) -> None:
        words = (*SOURCE, "--device", "cpu", "--workers", "1", "--no-ttt", "--time-budget", "90s")
        words = (*words, "--solutions", "solutions.json")
        assert cli.submission((*words, "--channels", "ttt")) == 0
        assert "program search" not in capsys.readouterr().out
        assert cli.submission((*words, "--resume")) == 0
        assert "program search" not in capsys.readouterr().out
        assert SearchScript(desk / "notes").searched() == []
        assert cli.submission((*words, "--resume", "--channels", "ttt,search")) == 0
        printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
        for text in ("model alone", "program search alone", "3 of 3 tasks searched", "in 3 sittings"):
            assert text in printed
        assert len(Script(desk / "notes").read("jobs")) == 3
        assert len(SearchScript(desk / "notes").searched()) == 3

    def test_three_channels(self, capsys: pytest.CaptureFixture[str], desk: Path) -> None:
        writer = ("--programs-base", str(write_base(desk / "writer")), "--device", "cpu", "--workers", "1")
        words = (*SOURCE, *writer, "--no-ttt", "--time-budget", "90s", "--solutions", "solutions.json")
        assert cli.submission(words) == 0
        content = json.loads(Path("submission.json").read_text())
        assert check_submission(content, TASKS, "submission") == []
        printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert "programs by writer" in printed
        # A short program settles the first task, so there is nothing to write for it.
        assert "2 of 3 tasks, 16 texts, 2 distinct programs" in printed
        assert "what became of them" in printed
        for channel in ("model", "program search", "written programs"):
            assert f"{channel} alone" in printed
        Path("submission.json").unlink()
        assert cli.submission((*words, "--resume")) == 0
        assert "3 were searched, 2 have programs" in capsys.readouterr().out
        assert json.loads(Path("submission.json").read_text()) == content

    def test_two_bases(self, capsys: pytest.CaptureFixture[str], desk: Path) -> None:
        words = (*SOURCE, "--base", str(write_base(desk / "large")), "--device", "cpu", "--workers", "1", "--no-ttt")
        words = (*words, "--channels", "ttt", "--time-budget", "90s", "--solutions", "solutions.json")
        assert cli.submission(words) == 0
        content = json.loads(Path("submission.json").read_text())
        assert check_submission(content, TASKS, "submission") == []
        printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert "bases base, large, 1 worker(s)" in printed
        assert "base base 3 of 3 tasks visited, 3 done" in printed
        assert "base large 3 of 3 tasks visited, 3 done" in printed
        assert "base alone" in printed
        assert "large alone" in printed
        assert len(Script(desk / "notes").read("jobs")) == 6
        Path("submission.json").unlink()
        assert cli.submission((*words, "--resume")) == 0
        assert "resumed: tasks that were finished before: 3 by base, 3 by large" in capsys.readouterr().out
        assert json.loads(Path("submission.json").read_text()) == content
        assert len(Script(desk / "notes").read("jobs")) == 6

    @pytest.mark.parametrize("channel", ["ttt", "search", "programs"])
    def test_one_channel_alone(self, capsys: pytest.CaptureFixture[str], desk: Path, channel: str) -> None:
        words = (*SOURCE, "--device", "cpu", "--workers", "1", "--no-ttt", "--channels", channel)
        if channel == "programs":
            words = (*words, "--programs-base", str(write_base(desk / "writer")))
        assert cli.submission((*words, "--solutions", "solutions.json")) == 0
        content = json.loads(Path("submission.json").read_text())
        assert check_submission(content, TASKS, "submission") == []
        printed = capsys.readouterr().out
        assert "alone" not in printed
        assert ("program search" in printed) == (channel == "search")
        assert ("TTT steps" in printed) == (channel == "ttt")
        assert ("written programs" in printed) == (channel == "programs")
        notes = {"ttt": "jobs", "search": "searches", "programs": "writings"}
        assert [name for name, note in notes.items() if (desk / "notes" / note).exists()] == [channel]

    @pytest.mark.parametrize("output", ["runs/one/submission.json", "runs/submission.json"])
    def test_the_output_may_be_in_or_above_the_run_directory(self, output: str) -> None:
        assert cli.submission((*SOURCE, "--device", "cpu", "--workers", "1", "--no-ttt", "--output", output)) == 0
        assert check_submission(json.loads(Path(output).read_text()), TASKS, output) == []

    def test_solutions_change_no_answer(self) -> None:
        words = ("--challenges", "challenges.json", "--base", "base", "--device", "cpu", "--workers", "1", "--no-ttt")
        assert cli.submission((*words, "--run-dir", "one", "--output", "one.json")) == 0
        assert (
            cli.submission((*words, "--run-dir", "two", "--output", "two.json", "--solutions", "solutions.json")) == 0
        )
        assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


class TestValidate:
    @pytest.fixture
    def valid(self) -> dict[str, Any]:
        save_fallbacks("answers.json")
        content: dict[str, Any] = json.loads(Path("answers.json").read_text())
        return content

    def validate(self, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
        code = call(cli.main, ["validate", "answers.json", "--challenges", "challenges.json"])
        printed = capsys.readouterr()
        assert (printed.out == "") == (code != 0)
        return code, printed.err.splitlines()

    def test_a_valid_file(self, valid: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
        assert call(cli.main, ["validate", "answers.json", "--challenges", "challenges.json"]) == 0
        printed = capsys.readouterr()
        assert printed.out == "answers.json: valid, 3 tasks, 4 test inputs\n"
        assert printed.err == ""

    @pytest.mark.parametrize(
        ("change", "names"),
        [
            (lambda value: value.pop("task01"), ["task task01", "missing"]),
            (lambda value: value.update(task09=value["task00"]), ["task task09", "not among the tasks"]),
            (lambda value: value["task01"].pop(), ["task task01", "1 test outputs instead of 2"]),
            (lambda value: value["task00"].append(value["task00"][0]), ["task task00", "2 test outputs instead of 1"]),
            (lambda value: value["task01"][1].pop("attempt_2"), ["task task01", "[1]", "'attempt_2' is missing"]),
            (lambda value: value["task01"][1].update(attempt_3=[[1]]), ["task task01", "[1]", "'attempt_3'"]),
            (lambda value: value["task01"][0].update(attempt_1=[[1], [1, 2]]), ["[0].attempt_1", "ragged"]),
            (lambda value: value["task01"][0].update(attempt_1=[[10]]), ["[0].attempt_1", "10"]),
            (lambda value: value["task01"][0].update(attempt_2=[[0] * 31]), ["[0].attempt_2", "31 cells wide"]),
            (lambda value: value["task01"][0].update(attempt_2=None), ["[0].attempt_2", "non-empty"]),
            (lambda value: value.update(task00={}), ["task task00", "not a list"]),
            (lambda value: value.update(task00=[7]), ["task task00", "[0]", "not an object"]),
        ],
    )
    def test_each_kind_of_problem(
        self,
        valid: dict[str, Any],
        capsys: pytest.CaptureFixture[str],
        change: Callable[[dict[str, Any]], object],
        names: list[str],
    ) -> None:
        change(valid)
        save("answers.json", valid)
        code, lines = self.validate(capsys)
        assert code == 2
        assert len(lines) == 1
        assert lines[0].startswith("error: answers.json: ")
        assert [name for name in names if name not in lines[0]] == [], lines[0]

    def test_several_problems_are_as_many_lines(
        self, valid: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        del valid["task00"]
        valid["task01"][0]["attempt_1"] = [[11]]
        valid["task02"] = []
        save("answers.json", valid)
        code, lines = self.validate(capsys)
        assert code == 2
        assert [line.split(": ")[2] for line in lines] == ["task task00", "task task01", "task task02"]

    @pytest.mark.parametrize("text", ["", "[]", "null", '{"a": 1, "a": 2}'])
    def test_what_is_no_submission(self, capsys: pytest.CaptureFixture[str], text: str) -> None:
        save("answers.json", text)
        code, lines = self.validate(capsys)
        assert code == 2
        assert len(lines) == 1
        assert "answers.json" in lines[0]

    def test_no_such_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.validate(capsys) == (2, ["error: answers.json: no such file"])


class TestScore:
    @pytest.fixture
    def answers(self) -> None:
        """Right: task00, and the first of task01's two test inputs."""
        right = {task.id: [grid.to_json() for grid in task.test_inputs] for task in TASKS}
        submission = {
            task_id: [{"attempt_1": [[1, 1]], "attempt_2": grid} for grid in grids] for task_id, grids in right.items()
        }
        submission["task01"][1]["attempt_2"] = submission["task02"][0]["attempt_2"] = [[2, 2]]
        save("answers.json", submission)

    def printed(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        assert cli.main(["score", "answers.json", "--solutions", "solutions.json", *words]) == 0
        return capsys.readouterr().out

    @pytest.mark.usefixtures("answers")
    def test_three_scores(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = self.printed(capsys).splitlines()
        assert [line.split("  ")[-1].strip().split(" %")[0] for line in lines] == ["50.00", "50.00", "33.33"]
        assert "(2 of 4)" in lines[1]
        assert "(1 of 3)" in lines[2]

    @pytest.mark.usefixtures("answers")
    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        scores = json.loads(self.printed(capsys, "--json"))
        assert (scores["mean_fraction"], scores["flat"], scores["strict"]) == (0.5, 0.5, 1 / 3)
        assert scores["fractions"] == {"task00": 1.0, "task01": 0.5, "task02": 0.0}
        assert (scores["tasks"], scores["solved_tasks"], scores["outputs"], scores["solved_outputs"]) == (3, 1, 4, 2)

    @pytest.mark.usefixtures("answers")
    def test_the_solutions_decide_what_is_divided_by(self, capsys: pytest.CaptureFixture[str]) -> None:
        save("answers.json", {"task00": json.loads(Path("answers.json").read_text())["task00"]})
        scores = json.loads(self.printed(capsys, "--json"))
        assert (scores["mean_fraction"], scores["flat"], scores["strict"]) == (1 / 3, 1 / 4, 1 / 3)
        save("answers.json", {})
        assert json.loads(self.printed(capsys, "--json"))["tasks"] == 3

    @pytest.mark.usefixtures("answers")
    def test_answers_that_are_missing_or_to_others_are_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        content = json.loads(Path("answers.json").read_text())
        assert cli.main(["score", "answers.json", "--solutions", "solutions.json"]) == 0
        assert capsys.readouterr().err == ""
        content["other"] = content.pop("task00")
        content["task02"] *= 2
        save("answers.json", content)
        assert cli.main(["score", "answers.json", "--solutions", "solutions.json"]) == 0
        said = "answers.json: 1 of 4 test inputs have no answer, 2 answers are to others\n"
        assert capsys.readouterr().err == said
        scores = json.loads(self.printed(capsys, "--json"))
        assert (scores["missing"], scores["others"]) == (1, 2)

    def test_a_built_in_split(self, capsys: pytest.CaptureFixture[str]) -> None:
        save("answers.json", {})
        assert cli.main(["score", "answers.json", "--split", "arc2-evaluation", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["tasks"] == 120

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["score", "none.json", "--solutions", "solutions.json"], ["none.json", "no such file"]),
            (["score", "submission.json", "--solutions", "solutions.json"], ["submission.json", "not valid JSON"]),
            (["score", "challenges.json", "--solutions", "none.json"], ["none.json", "no such file"]),
            (["score", "challenges.json", "--solutions", "solutions.json"], ["challenges.json", "task task00"]),
            (["score", "challenges.json"], ["--solutions", "--split"]),
            (["score", "challenges.json", "--split", "arc0"], ["--split", "arc0"]),
            (["guess"], ["guess", "validate"]),
            (["bench", "--views", "0"], ["--views 0"]),
            (["bench", "--task-id", "zzz"], ["--task-id: zzz"]),
            (["train-base", "--run-dir", "base", "--threads", "-1"], ["--threads -1"]),
            (["train-base", "--run-dir", "base", "--set", "tokens=inf"], ["--set tokens=inf"]),
            ([], ["command"]),
        ],
    )
    def test_one_line_for_bad_input(
        self, capsys: pytest.CaptureFixture[str], words: list[str], names: list[str]
    ) -> None:
        assert call(cli.main, words) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("error: ")
        assert printed.err.count("\n") == 1, printed.err
        assert [name for name in names if name not in printed.err] == [], printed.err


def test_help_is_still_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(cli.submission, ["--help"]) == 0
    assert "--time-budget" in capsys.readouterr().out


def test_without_any_place_to_print_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `>&-`."""
    save_fallbacks("answers.json")
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["score", "answers.json", "--solutions", "solutions.json"]) == 0


class TestAReaderThatLeaves:
    """What is printed goes to a pipe whose other end is closed, as by `| head`."""

    @pytest.fixture
    def unread(self, desk: Path) -> Callable[..., tuple[int, str]]:
        """The exit code and what stderr had of a Python program."""

        def run(*words: str) -> tuple[int, str]:
            reading, writing = os.pipe()
            os.close(reading)
            try:
                done = subprocess.run(
                    [sys.executable, *words],
                    stdout=writing,
                    stderr=subprocess.PIPE,
                    text=True,
                    timeout=120,
                    check=False,
                    cwd=desk,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                )
            finally:
                os.close(writing)
            return done.returncode, done.stderr

        return run

    def test_ends_a_tool_in_silence(self, unread: Callable[..., tuple[int, str]]) -> None:
        save_fallbacks("submission.json")
        assert unread("-m", "solver", "score", "submission.json", "--solutions", "solutions.json") == (1, "")

    def test_does_not_end_a_run(self, unread: Callable[..., tuple[int, str]]) -> None:
        Path("notes").mkdir()
        program = "import sys; from tests.fake_worker import drive; drive(*sys.argv[1:])"
        words = ("--device", "cpu", "--workers", "1", "--no-ttt", "--time-budget", "90s")
        assert unread("-c", program, "notes", "0", *SOURCE, *words, "--solutions", "solutions.json") == (0, "")
        assert check_submission(json.loads(Path("submission.json").read_text()), TASKS, "submission") == []
        assert len(Script(Path("notes")).read("jobs")) == len(TASKS)
