"""Names and folders become profiles; what is no base is refused in one line that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from solver import profiles
from solver.grid import InputError
from solver.profiles import (
    LARGE_LORA,
    LARGE_TTT,
    NATIVE,
    NATIVE_FOLDER,
    attached_bases,
    attached_writers,
    check_files,
    check_text_base,
    find_base,
    find_writer,
    inspect_base,
)
from solver.prompt import NATIVE_TOKENS, NativeFormat
from tests.fakes import tiny_folder

needs_native = pytest.mark.skipif(
    not (NATIVE_FOLDER / "model.safetensors").exists(), reason="the embedded base is not in this checkout"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound base to be broken."""
    copy = tmp_path / "a-base"
    shutil.copytree(tiny_folder(), copy)
    return copy


def rewrite(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_folder_with_the_native_vocabulary_is_a_base(folder: Path) -> None:
    profile = find_base(str(folder))
    assert profile == replace(NATIVE, name="a-base", folder=folder)
    assert profile == inspect_base(folder)
    assert profile.small


@pytest.mark.parametrize(("scheme", "geometric"), [("geometric", True), ("sequential", False), (None, True)])
def test_the_config_says_how_positions_count(folder: Path, scheme: str | None, geometric: bool) -> None:
    config = json.loads((folder / "config.json").read_text())
    config.pop("position_scheme")
    (folder / "config.json").write_text(json.dumps(config | ({"position_scheme": scheme} if scheme else {})))
    assert inspect_base(folder).format == NativeFormat(geometric=geometric)


@pytest.mark.parametrize(("width", "layers", "small"), [(192, 6, True), (1024, 2, True), (2048, 24, False)])
def test_size_decides_how_a_base_is_trained(folder: Path, width: int, layers: int, small: bool) -> None:
    rewrite(folder / "config.json", hidden_size=width, num_hidden_layers=layers)
    profile = inspect_base(folder)
    assert profile.small is small
    assert (profile.lora, profile.ttt) == ((NATIVE.lora, NATIVE.ttt) if small else (LARGE_LORA, LARGE_TTT))


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def holding(name: str, content: str | bytes) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data) and None


def truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def renumbered(folder: Path) -> None:
    vocabulary = {token: number for number, token in enumerate(reversed(NATIVE_TOKENS))}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))


def longer(folder: Path) -> None:
    vocabulary = {token: number for number, token in enumerate((*NATIVE_TOKENS, "<more>"))}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))


BROKEN = [
    (without("config.json"), "config.json", "no such file"),
    (holding("config.json", "{"), "config.json", "cannot be read"),
    (holding("config.json", b"\xff\xfe{}"), "config.json", "cannot be read"),
    (holding("config.json", "[]"), "config.json", "is not an object"),
    (without("model.safetensors"), "", "holds no .safetensors file"),
    (holding("model.safetensors", b""), "model.safetensors", "broken safetensors file"),
    (holding("model.safetensors", b"garbage" * 99), "model.safetensors", "broken safetensors file"),
    (holding("more.safetensors", b"garbage" * 99), "more.safetensors", "broken safetensors file"),
    (truncated, "model.safetensors", "broken safetensors file"),
    (without("tokenizer.json"), "tokenizer.json", "no such file"),
    (holding("tokenizer.json", "{"), "tokenizer.json", "not a readable tokenizer"),
    (holding("tokenizer.json", b"\xff\xfe{}"), "tokenizer.json", "not a readable tokenizer"),
    (holding("tokenizer.json", "[]"), "tokenizer.json", "not a readable tokenizer"),
    (holding("tokenizer.json", "{}"), "tokenizer.json", "not a readable tokenizer"),
    (holding("tokenizer.json", '{"model": {"vocab": [["a", 0]]}}'), "tokenizer.json", "cannot write '0'"),
    (renumbered, "tokenizer.json", "not a readable tokenizer .*untagged"),
    (longer, "tokenizer.json", "not a readable tokenizer .*untagged"),
]


@pytest.mark.parametrize(("damage", "file", "problem"), BROKEN)
def test_what_is_no_base_is_an_input_error_naming_the_file(
    folder: Path, damage: Callable[[Path], None], file: str, problem: str
) -> None:
    inspect_base(folder)
    damage(folder)
    with pytest.raises(InputError, match=problem) as caught:
        find_base(str(folder))
    assert str(folder / file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no-such-base", "no/such/folder", "Native"])
def test_an_unknown_name_is_an_input_error(name: str) -> None:
    with pytest.raises(InputError, match=rf"^--base {name}: not a built-in base \(native, .*\), nor a folder"):
        find_base(name)


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(InputError, match="nor a folder that holds one"):
        find_base(str(folder / "config.json"))


@pytest.mark.parametrize("place", ["a-base/transformers/default/1", "models/someone/a-base/transformers/default/1"])
def test_an_attached_base_is_found_by_its_name(folder: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attached = folder.parent / "input"
    monkeypatch.setattr(profiles, "KAGGLE_INPUT", attached)
    with pytest.raises(InputError, match="not a built-in base"):
        find_base("a-base")
    shutil.copytree(folder, attached / place)
    assert find_base("a-base").folder == attached / place
    with pytest.raises(InputError, match="not a built-in base"):
        find_base("b-base")


def test_attached_bases_are_those_that_can_be_read(folder: Path) -> None:
    attached = folder.parent / "input"
    for place in ("b/deep/down", "a", "broken", "other"):
        shutil.copytree(folder, attached / place)
    truncated(attached / "broken")
    renumbered(attached / "other")
    (attached / "data").mkdir()
    assert attached_bases(attached) == [attached / "a", attached / "b/deep/down"]
    assert attached_bases(attached / "nowhere") == []


def test_a_base_without_weights_is_refused_under_its_built_in_name(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    truncated(folder)
    monkeypatch.setattr(profiles, "NATIVE", replace(NATIVE, folder=folder))
    with pytest.raises(InputError, match="broken safetensors file"):
        find_base("native")


class TestWriters:
    """Bases that write programs."""

    @pytest.fixture
    def root(self, folder: Path) -> Path:
        """Where Kaggle mounts what is attached to a notebook: here, a base that does not write programs."""
        shutil.copytree(folder, folder.parent / "input" / "models" / "a-base" / "transformers" / "1")
        return folder.parent / "input"

    def attach(self, root: Path, folder: Path, place: str) -> Path:
        return Path(shutil.copytree(folder, root / place))

    def test_a_named_folder_needs_no_name_that_says_what_it_is(self, folder: Path, root: Path) -> None:
        assert find_writer(str(folder), root) == folder
        self.attach(root, folder, "an-induction-base")
        assert find_writer(str(folder), root) == folder

    @pytest.mark.parametrize("name", ["no-such-folder", "a-base", ""])
    def test_an_unknown_name_is_refused(self, root: Path, name: str) -> None:
        with pytest.raises(InputError, match=f"^--programs-base {name}: is not a folder$" if name else "config.json"):
            find_writer(name, root)

    def test_a_file_is_no_folder(self, folder: Path, root: Path) -> None:
        with pytest.raises(InputError, match="is not a folder"):
            find_writer(str(folder / "config.json"), root)

    @pytest.mark.parametrize(
        "place",
        [
            "llama-3.1-arc-potpourri-induction-8b",
            "Llama-3.1-ARC-Potpourri-Induction-8B/transformers/default/1",
            "models/barc0/some-INDUCTION-model/transformers/default/1",
            "datasets/someone/a/induction/deep/down",
        ],
    )
    def test_an_attached_one_is_known_by_a_word_in_its_path(self, folder: Path, root: Path, place: str) -> None:
        assert attached_writers(root) == []
        attached = self.attach(root, folder, place)
        assert attached_writers(root) == [attached]
        assert find_writer(None, root) == attached

    def test_the_first_of_several_that_are_whole(self, folder: Path, root: Path) -> None:
        broken, second, first = (self.attach(root, folder, f"{place}-induction") for place in "acb")
        (broken / "tokenizer.json").unlink()
        assert attached_writers(root) == [first, second]
        truncated(first)
        assert find_writer(None, root) == second

    def test_a_word_above_the_mounts_says_nothing(self, folder: Path, root: Path) -> None:
        elsewhere = Path(shutil.copytree(root, folder.parent / "induction"))
        assert attached_writers(elsewhere) == []

    @pytest.mark.parametrize("mounted", [True, False])
    def test_without_one_the_line_says_what_to_attach_and_where(self, root: Path, mounted: bool) -> None:
        root = root if mounted else root / "nowhere"
        with pytest.raises(InputError) as caught:
            find_writer(None, root)
        text = str(caught.value)
        assert "\n" not in text
        for part in ("--channels programs", profiles.INDUCTION_BASE, "tokenizer.json", str(root), "--programs-base"):
            assert part in text

    def test_any_vocabulary_will_do(self, folder: Path) -> None:
        renumbered(folder)
        check_text_base(folder)

    @pytest.mark.parametrize(
        ("damage", "file", "problem"), [one for one in BROKEN if "write" not in one[2] and "untagged" not in one[2]]
    )
    def test_what_is_no_base_is_an_input_error_naming_the_file(
        self, folder: Path, damage: Callable[[Path], None], file: str, problem: str
    ) -> None:
        check_text_base(folder)
        damage(folder)
        with pytest.raises(InputError, match=problem) as caught:
            find_writer(str(folder))
        assert str(folder / file) in str(caught.value)
        assert "\n" not in str(caught.value)


@needs_native
def test_the_embedded_base_is_found_and_is_what_its_profile_says() -> None:
    assert find_base("native") is NATIVE
    assert inspect_base(NATIVE_FOLDER) == NATIVE
    assert check_files(NATIVE_FOLDER)["vocab_size"] == NATIVE.format.vocabulary


@needs_native
def test_the_embedded_tokenizer_has_the_golden_ids() -> None:
    tokenizer = Tokenizer.from_file(str(NATIVE_FOLDER / "tokenizer.json"))
    assert tokenizer.encode("<in>01<row>23<out>").ids == [11, 0, 1, 10, 2, 3, 12]
    assert tokenizer.encode("4<end><pad>").ids == [4, NATIVE.format.stop_id, NATIVE.format.pad_id]


def test_a_written_tokenizer_has_the_golden_ids(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("<in>01<row>23<out>").ids == [11, 0, 1, 10, 2, 3, 12]
