"""Corpora from text: what is read, what is refused, how it is split. Backcopy has its own file."""

import inspect
import json
import os

import numpy as np
import pytest

from jattn.errors import InputError
from train import corpora
from train.corpora import induction, stdlib_code
from train.corpora.corpus import RowCorpus, TextCorpus
from train.corpora.split import text_corpus

DOCUMENTS = [f"document {i}: " + "lorem ipsum " * (5 + i % 7) for i in range(60)]


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_documents_are_split_whole_and_into_disjoint_sides():
    corpus = text_corpus("x", DOCUMENTS, 0.1)
    assert sorted(corpus.train + corpus.valid) == sorted(DOCUMENTS)
    assert set(corpus.train).isdisjoint(corpus.valid)
    held_out = sum(map(len, corpus.valid)) / corpus.size
    assert 0.05 < held_out <= 0.1
    assert corpus.size == sum(map(len, DOCUMENTS))


def test_side_of_a_document_does_not_depend_on_the_order_of_documents():
    forward, backward = text_corpus("x", DOCUMENTS, 0.2), text_corpus("x", DOCUMENTS[::-1], 0.2)
    assert forward.valid == backward.valid[::-1]
    assert forward.sha256 != backward.sha256


def test_equal_documents_never_stand_on_both_sides():
    corpus = text_corpus("x", DOCUMENTS * 2, 0.1)
    assert set(corpus.train).isdisjoint(corpus.valid)
    assert len(corpus.train) + len(corpus.valid) == 2 * len(DOCUMENTS)


def test_a_long_document_is_not_held_out_where_short_ones_can_be():
    for variant in range(8):
        long = f"{variant}" * 10_000
        assert long in text_corpus("x", [long, *DOCUMENTS], 0.1).train


def test_shortest_document_is_held_out_when_none_fits_in_the_fraction():
    corpus = text_corpus("x", ["aaaa", "bb", "cccc"], 0.1)
    assert (corpus.train, corpus.valid) == (("aaaa", "cccc"), ("bb",))


def test_single_document_is_split_at_its_tail():
    text = "".join(chr(97 + i % 26) for i in range(1000))
    corpus = text_corpus("x", [text, ""], 0.1)
    assert (corpus.train, corpus.valid) == ((text[:900],), (text[900:],))


def test_hash_changes_with_content_and_with_document_borders():
    hashes = [text_corpus("x", documents, 0.5).sha256 for documents in (["ab", "c"], ["a", "bc"], ["ab", "d"], ["abc"])]
    assert len(set(hashes)) == 4
    assert text_corpus("another name", ["ab", "c"], 0.4).sha256 == hashes[0]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fraction_outside_zero_and_one_is_refused(fraction):
    with pytest.raises(InputError, match="valid_fraction"):
        text_corpus("x", DOCUMENTS, fraction)


@pytest.mark.parametrize("documents", [["a"], ["same", "same"]])
def test_corpus_that_cannot_fill_both_sides_is_refused(documents):
    with pytest.raises(InputError, match="cannot be split"):
        text_corpus("x", documents, 0.1)


def test_folder_gives_sorted_documents_of_text_files_at_any_depth(tmp_path):
    write(tmp_path, b_txt="second", a__z_md="first", c__d__e_RST="fourth", c_py="third", a__image_png=b"\xff")
    corpus = corpora.load(tmp_path, context=8, valid_fraction=0.5)
    assert isinstance(corpus, TextCorpus)
    assert set(corpus.train + corpus.valid) == {"first", "second", "third", "fourth"}
    assert corpus.sha256 == text_corpus("x", ["first", "second", "fourth", "third"], 0.5).sha256
    assert corpus.name == str(tmp_path)


def test_file_of_any_extension_is_read_with_byte_order_mark_removed_and_line_ends_kept(tmp_path):
    (tmp_path / "text.log").write_bytes(b"\xef\xbb\xbfone\r\ntwo\xc3\xa9\n")
    corpus = corpora.load(str(tmp_path / "text.log"), context=8, valid_fraction=0.5)
    assert corpus.train[0] + corpus.valid[0] == "one\r\ntwoé\n"


def test_text_that_is_not_utf8_is_refused_with_file_and_byte_offset(tmp_path):
    write(tmp_path, good_txt="fine", bad_txt="é€".encode() + b"\xffrest")
    with pytest.raises(InputError, match=r"bad\.txt is not UTF-8.* 0xff at byte 5"):
        corpora.load(tmp_path, context=8)


def test_empty_file_empty_folder_and_folder_without_text_files_are_refused(tmp_path):
    write(tmp_path, empty__a_txt="", bom__a_txt=b"\xef\xbb\xbf", other__a_bin="x")
    (tmp_path / "nothing").mkdir()
    for path in ("empty", "empty/a.txt", "bom/a.txt"):
        with pytest.raises(InputError, match="is empty"):
            corpora.load(tmp_path / path, context=8)
    for path in ("nothing", "other"):
        with pytest.raises(InputError, match=r"no \.txt, \.md, \.py, \.rst file in folder"):
            corpora.load(tmp_path / path, context=8)


def test_walk_ends_in_a_loop_of_links_and_does_not_leave_the_folder(tmp_path):
    write(tmp_path, inside__a_txt="alpha", inside__deep__b_txt="beta", outside__secret_txt="secret")
    (tmp_path / "inside/deep/loop").symlink_to(tmp_path / "inside")
    (tmp_path / "inside/out").symlink_to(tmp_path / "outside")
    corpus = corpora.load(tmp_path / "inside", context=8, valid_fraction=0.5)
    assert sorted(corpus.train + corpus.valid) == ["alpha", "beta"]


def test_broken_link_and_pipe_among_the_files_are_refused_by_name(tmp_path):
    write(tmp_path, a__a_txt="alpha", b__a_txt="alpha")
    (tmp_path / "a/gone.txt").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "b/pipe.txt")
    for path, name in (("a", "gone.txt"), ("b", "pipe.txt")):
        with pytest.raises(InputError, match=f"{name} is not a readable regular file"):
            corpora.load(tmp_path / path, context=8)


def test_unknown_name_is_refused_with_the_nearest_name_and_the_offer_of_a_path():
    with pytest.raises(
        InputError, match=r"no file or folder 'bakcopy'. Did you mean 'backcopy'\? Give the path of one"
    ):
        corpora.load("bakcopy", context=8)
    with pytest.raises(InputError, match=r"no file or folder ''. Give the path of one"):
        corpora.load("", context=8)
    with pytest.raises(InputError, match="context must be >= 1"):
        corpora.load("pydoc", context=0)


def test_pydoc_holds_every_topic_once():
    from pydoc_data.topics import topics

    corpus = corpora.load("pydoc", context=64)
    assert sorted(corpus.train + corpus.valid) == sorted(topics.values())
    assert 0.08 < sum(map(len, corpus.valid)) / corpus.size <= 0.1
    assert corpus.sha256 == text_corpus("x", [topics[name] for name in sorted(topics)], 0.5).sha256


def test_standard_library_code_is_its_source():
    corpus = corpora.load("stdlib-code", context=64)
    assert inspect.getsource(json) in corpus.train + corpus.valid
    assert corpus.size > 5_000_000


def test_standard_library_code_leaves_out_tests_applications_and_installed_packages(tmp_path, monkeypatch):
    write(tmp_path, a_py="kept", json__b_py="also kept", notes_txt="text")
    for folder in ("test", "json/tests", "idlelib", "site-packages/numpy", "lib2to3"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "c.py").write_text("left out")
    monkeypatch.setattr("sysconfig.get_path", {"stdlib": str(tmp_path)}.__getitem__)
    assert stdlib_code.documents() == ["kept", "also kept"]


@pytest.mark.parametrize("context", [1, 2, 15, 16])
def test_second_half_of_an_induction_row_is_its_first_half(context):
    corpus = corpora.load("induction", context=context)
    assert isinstance(corpus, RowCorpus)
    rows, period = corpus.train, (context + 2) // 2
    assert rows.shape[1] == context + 1 and len(corpus.valid) == 512
    np.testing.assert_array_equal(rows[:, period:], rows[:, : context + 1 - period])
    assert rows.max() == len(corpus.alphabet) - 1
    np.testing.assert_allclose(np.bincount(rows[:, 0], minlength=62) / len(rows), 1 / 62, atol=0.004)


@pytest.mark.parametrize("context", [15, 16])
def test_second_copy_is_where_the_current_symbol_has_an_earlier_copy_whose_successor_comes_next(context):
    rows = np.asarray(corpora.load("induction", context=context).valid)
    inputs, period = rows[:, :-1], (context + 2) // 2
    mask = induction.second_copy(inputs)
    query, row = np.nonzero(mask.T)
    assert mask.sum() == len(rows) * (context - period)
    np.testing.assert_array_equal(rows[row, query - period], rows[row, query])
    np.testing.assert_array_equal(rows[row, query - period + 1], rows[row, query + 1])
    assert not mask[:, :period].any()


def test_generated_corpora_are_the_same_every_time_and_their_hash_names_them():
    for name in ("backcopy", "induction"):
        first, again, longer = (corpora.load(name, context=context) for context in (4, 4, 5))
        np.testing.assert_array_equal(first.train, again.train)
        assert first.sha256 == again.sha256 != longer.sha256
        assert first.size == (len(first.train) + len(first.valid)) * 5
