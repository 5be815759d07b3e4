"""Tokenizers: exact round trips, offsets that point at the text, JSON that the library itself reads the same way."""

import numpy as np
import pytest
import tokenizers as library
from hypothesis import given
from hypothesis import strategies as st

from jattn.errors import InputError
from train.tokenizers import BOS, Tokenizer

PROSE = "The cat sat on the mat; the dog — naïve, 12 years old — sat beside it. 日本語 😀\n" * 20
BPE = Tokenizer.train("bpe", [PROSE], vocab_size=300)
BPE_BOS = Tokenizer.train("bpe", [PROSE], vocab_size=300, bos=True)
BYTE = Tokenizer.train("byte", [])
BYTE_BOS = Tokenizer.train("byte", [], bos=True)
CHAR = Tokenizer.train("char", [PROSE])
EVERY = pytest.mark.parametrize("tokenizer", [BPE, BPE_BOS, BYTE, BYTE_BOS], ids=["bpe", "bpe+bos", "byte", "byte+bos"])


@EVERY
@given(text=st.text())
def test_any_unicode_round_trips_through_bytes_and_bpe(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(text=st.text(min_size=1))
def test_any_unicode_round_trips_through_its_own_characters(text):
    tokenizer = Tokenizer.train("char", [text], bos=True)
    ids = tokenizer.encode(text)
    assert len(ids) == len(text) and tokenizer.decode(ids) == text
    assert tokenizer.vocab_size == len(set(text)) + 1
    assert "".join(map(tokenizer.token, range(tokenizer.vocab_size - 1))) == "".join(sorted(set(text)))


@given(text=st.text(alphabet=sorted(set(PROSE))))
def test_lookup_of_characters_agrees_with_the_library_on_the_stored_json(text):
    stored = library.Tokenizer.from_str(CHAR.to_json())
    assert CHAR.encode(text).tolist() == stored.encode(text).ids
    assert stored.decode(stored.encode(text).ids) == text


@given(text=st.text())
def test_byte_ids_are_the_bytes_of_utf8(text):
    assert bytes(BYTE.encode(text).tolist()) == text.encode()


@pytest.mark.parametrize("tokenizer", [CHAR, BYTE, BPE, BPE_BOS], ids=["char", "byte", "bpe", "bpe+bos"])
@given(text=st.text(alphabet=sorted(set(PROSE))))
def test_offsets_cover_the_text_in_order_and_name_the_characters_of_each_token(tokenizer, text):
    ids, offsets = tokenizer.encode_with_offsets(text)
    np.testing.assert_array_equal(ids, tokenizer.encode(text))
    assert offsets.shape == (len(ids), 2)
    assert set().union(*(range(start, end) for start, end in offsets)) == set(range(len(text)))
    assert (np.diff(offsets, axis=0) >= 0).all()
    for index, (start, end) in zip(ids.tolist(), offsets.tolist(), strict=True):
        shown = tokenizer.token(index)
        assert shown == text[start:end] or "\\x" in shown


@pytest.mark.parametrize("tokenizer", [CHAR, BYTE, BPE, BPE_BOS, Tokenizer.symbols("ba!", bos=True)])
def test_json_brings_the_same_tokenizer_back(tokenizer):
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again == tokenizer and again.sha256 == tokenizer.sha256
    assert (again.kind, again.bos, again.vocab_size) == (tokenizer.kind, tokenizer.bos, tokenizer.vocab_size)
    np.testing.assert_array_equal(
        again.encode("ab"[: again.kind != "char"]), tokenizer.encode("ab"[: again.kind != "char"])
    )


def test_kinds_are_read_from_the_json():
    assert [tokenizer.kind for tokenizer in (CHAR, BYTE, BPE, Tokenizer.symbols("ab"))] == [
        "char",
        "byte",
        "bpe",
        "char",
    ]


def test_different_tokenizers_have_different_hashes_and_training_twice_gives_one():
    every = [CHAR, BYTE, BYTE_BOS, BPE, BPE_BOS, Tokenizer.symbols("ab"), Tokenizer.symbols("ba")]
    assert len({tokenizer.sha256 for tokenizer in every}) == len(every)
    assert Tokenizer.train("bpe", [PROSE], vocab_size=300).sha256 == BPE.sha256


def test_fixed_first_token_is_one_more_entry_that_text_never_gives_and_decode_skips():
    for plain, fixed in (
        (BYTE, BYTE_BOS),
        (BPE, BPE_BOS),
        (Tokenizer.symbols("<bos>"), Tokenizer.symbols("<bos>", True)),
    ):
        assert plain.bos is None and fixed.bos == plain.vocab_size == fixed.vocab_size - 1
        ids = fixed.encode(BOS)
        assert fixed.bos not in ids
        np.testing.assert_array_equal(ids, plain.encode(BOS))
        assert fixed.decode(np.concatenate([[fixed.bos], ids, [fixed.bos]])) == BOS
        assert fixed.token(fixed.bos) == BOS


def test_symbols_are_numbered_by_their_place_in_the_alphabet():
    tokenizer = Tokenizer.symbols("cab!")
    assert tokenizer.encode("abc!").tolist() == [1, 2, 0, 3]
    assert tokenizer.decode([3, 0]) == "!c"


def test_char_vocabulary_holds_the_separator_only_where_documents_meet():
    assert Tokenizer.train("char", ["ba"]).vocab_size == 2
    assert Tokenizer.train("char", ["a", "b"]).encode("a\n\nb").tolist() == [1, 0, 0, 2]


def test_bpe_has_the_size_asked_for_and_shortens_the_text_it_was_trained_on():
    assert BPE.vocab_size == 300 and BPE_BOS.vocab_size == 301
    assert len(BPE.encode(PROSE)) < 0.7 * len(BYTE.encode(PROSE))
    assert " the" in map(BPE.token, range(300))


def test_token_shows_text_where_bytes_are_text_and_escapes_where_not():
    assert [BYTE.token(byte) for byte in (65, 32, 10, 0xE2, 0xAD)] == ["A", " ", "\n", "\\xe2", "\\xad"]


def test_decoding_part_of_a_character_marks_it():
    assert BYTE.decode(np.frombuffer("€".encode()[:2] + b"a", np.uint8)) == "\ufffda"


def test_empty_text_has_no_tokens():
    for tokenizer in (CHAR, BYTE, BPE):
        ids, offsets = tokenizer.encode_with_offsets("")
        assert ids.shape == (0,) and offsets.shape == (0, 2)
        assert tokenizer.encode("").shape == (0,) and tokenizer.decode([]) == ""


@pytest.mark.parametrize("character", ["Z", "\x00", "\U0010ffff"])
def test_unknown_character_is_refused_with_its_offset(character):
    with pytest.raises(InputError, match="at offset 3 is not among") as error:
        CHAR.encode("cat" + character + "Z")
    assert repr(character) in str(error.value) and "kind byte" in str(error.value)


@pytest.mark.parametrize("tokenizer", [CHAR, BYTE, BPE])
def test_lone_surrogate_is_refused_with_its_offset(tokenizer):
    for encode in (tokenizer.encode, tokenizer.encode_with_offsets):
        with pytest.raises(InputError, match=r"surrogate .* at offset 1"):
            encode("a\ud800")


@pytest.mark.parametrize("index", [-1, 256])
def test_id_outside_the_vocabulary_is_refused(index):
    for use in (BYTE.token, lambda i: BYTE.decode([0, i])):
        with pytest.raises(InputError, match=f"token id {index} is outside"):
            use(index)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("word", ["a"]), "tokenizer.kind: unknown value 'word'"),
        (("bpe", ["a"]), "vocab_size=None"),
        (("char", ["a"], 300), "vocab_size=300"),
        (("bpe", ["a"], 256), "data.bpe_size must be >= 257"),
        (("bpe", ["abab"], 1000), "data.bpe_size=1000: the text gives only"),
        (("char", []), "at least one symbol"),
    ],
)
def test_training_refuses_what_it_cannot_do(arguments, message):
    with pytest.raises(InputError, match=message):
        Tokenizer.train(*arguments)


def test_alphabet_with_a_repeated_symbol_is_refused():
    with pytest.raises(InputError, match="each symbol once"):
        Tokenizer.symbols("aba")


def test_json_of_something_else_is_refused():
    with pytest.raises(InputError, match="cannot be read"):
        Tokenizer.from_json('{"not": "a tokenizer"}')
