"""Tokens as shown: nothing invisible, pieces of a character as bytes with the whole of it, classes by form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.viewer import words
from jattn.errors import InputError
from train.tokenizers import Tokenizer

CHINESE = "小沈阳江西演唱会邀请了，"


@pytest.fixture(scope="module")
def byte():
    return Tokenizer.train("byte", [])


@pytest.fixture(scope="module")
def bpe():
    """Byte-level BPE whose merges know some first bytes of Chinese characters, but few whole ones."""
    return Tokenizer.train("bpe", ["the cat sat on the mat. " * 20 + "小小西会" * 30], 275)


@pytest.mark.parametrize("name", ["byte", "bpe"])
def test_the_bytes_of_a_split_character_are_shown_and_joined_to_it(name, request):
    tokenizer = request.getfixturevalue(name)
    found = words.of_ids(tokenizer, tokenizer.encode(CHINESE))
    shown = " ".join(t if j is None else f"<{t}>" for t, j in zip(found.text, found.joined, strict=True))
    pieces = [t for t, j in zip(found.text, found.joined, strict=True) if j is not None]
    whole = "".join(t for t, j in zip(found.text, found.joined, strict=True) if j is None)
    assert pieces, shown
    joined = "".join(dict.fromkeys(j for j in found.joined if j))
    assert set(joined) | set(whole) == set(CHINESE)
    spelled = [bytes.fromhex(t) if j else t.encode() for t, j in zip(found.text, found.joined, strict=True)]
    assert b"".join(spelled).decode() == CHINESE
    assert all(k == "byte" for k, j in zip(found.word_class, found.joined, strict=True) if j)


def test_a_byte_token_of_three_belongs_to_its_own_character(byte):
    found = words.of_ids(byte, byte.encode("a小b"))
    assert found.text == ("a", "E5", "B0", "8F", "b")
    assert found.joined == (None, "小", "小", "小", None)


def test_bytes_that_are_no_character_stay_bytes(byte):
    found = words.of_ids(byte, [0x61, 0xFF, 0xE5, 0x62])
    assert found.text == ("a", "FF", "E5", "b")
    assert found.joined == (None, "�", "�", None)


def test_a_token_that_spells_a_backslash_is_no_piece(byte):
    assert words.of_ids(byte, byte.encode("\\xe5")).text == ("\\", "x", "e", "5")
    tokenizer = Tokenizer.train("bpe", ["\\xe5 \\xe5\\xe5 " * 50], 258)
    found = words.of_ids(tokenizer, tokenizer.encode("\\xe5"))
    assert "".join(found.text) == "\\xe5" and set(found.joined) == {None}


@given(st.text(max_size=20))
def test_nothing_that_is_shown_is_invisible_or_turns_its_surroundings(text):
    import unicodedata

    shown = words.shown(text)
    assert shown and not {unicodedata.category(c) for c in shown} & words.HIDDEN
    shown.encode()  # no lone surrogate is left


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" the", "·the"),
        ("\u2581the", "·the"),
        ("\n\t", "⏎⇥"),
        ("\u202eevil", "‹202E›evil"),
        ("a\x00b", "a‹0000›b"),
        ("\ud800", "‹D800›"),
        ("\u2028", "‹2028›"),
        ("", "‹empty›"),
        ("</script>", "</script>"),
    ],
)
def test_marks(token, shown):
    assert words.shown(token) == shown


def test_a_long_token_is_cut_for_display_and_stays_itself():
    found = words.of_strings(["x" * 10_000, "x" * 9_999])
    assert len(found.text[0]) == words.LONGEST and found.text[0].endswith("…")
    assert found.ids[0] != found.ids[1]


def test_equal_strings_have_equal_ids():
    assert words.of_strings(["a", "b", "a"]).ids.tolist() == [0, 1, 0]


def test_classes_go_by_form():
    found = words.of_strings(["[CLS]", "The", " cat", "s", ",", " 12", ".5", "\n", " ", "<|end|>"])
    assert found.word_class == (
        "special",
        "word",
        "word",
        "word piece",
        "punctuation",
        "number",
        "number",
        "space",
        "space",
        "special",
    )
    assert found.delimiters.tolist() == [True, False, False, False, True, False, False, True, False, True]


def test_in_wordpiece_only_the_hashes_tell_a_piece():
    assert words.of_strings(["the", "cat", "##s"]).word_class == ("word", "word", "word piece")


def test_marks_of_other_libraries_for_a_space_are_spaces():
    assert words.of_strings(["The", "Ġcat", "Ċ"]).text == ("The", "·cat", "⏎")
    assert words.of_strings([" Ġgantija"]).text == ("·Ġgantija",), "a letter where spaces are spaces"


def test_classes_may_be_given():
    assert words.of_strings(["a", "b"], ["DET", "NOUN"]).word_class == ("DET", "NOUN")
    with pytest.raises(InputError, match="1 word classes for 2 tokens"):
        words.of_strings(["a", "b"], ["DET"])


def test_special_tokens_and_delimiters_are_the_tokenizers_own():
    tokenizer = Tokenizer.train("byte", [], bos=True)
    found = words.of_ids(tokenizer, np.r_[tokenizer.bos, tokenizer.encode("a.")])
    assert found.text == ("<bos>", "a", ".") and found.word_class == ("special", "word", "punctuation")
    assert found.delimiters.tolist() == [True, False, True]


def test_paragraphs_are_counted_for_a_tokenizers_text(byte):
    np.testing.assert_array_equal(words.of_ids(byte, byte.encode("a\n\nb")).paragraphs, [0, 0, 0, 1])
