"""Batches are a function of (seed, step); rows come once an epoch; windows cover the split."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jattn.errors import InputError
from train import corpora
from train.corpora.corpus import RowCorpus, row_corpus
from train.corpora.split import text_corpus
from train.data import batches, encode_corpus, windows
from train.tokenizers import Tokenizer

STREAM = np.arange(1000, dtype=np.int32)
ROWS = (100 * np.arange(10)[:, None] + np.arange(5)).astype(np.int32)
BOS = 7777


@pytest.mark.parametrize(("tokens", "context"), [(STREAM, 8), (ROWS, 4)], ids=["stream", "rows"])
def test_batch_depends_on_seed_and_step_and_not_on_the_order_of_access(tokens, context):
    def make(seed):
        return batches(tokens, context=context, batch=3, seed=seed)

    forward = [make(1)[step] for step in range(20)]
    again = make(1)
    for step in np.random.default_rng(0).permutation(20):
        np.testing.assert_array_equal(again[int(step)], forward[step])
    assert all(batch.shape == (3, context + 1) and batch.dtype == np.int32 for batch in forward)
    assert not np.array_equal(np.stack(forward), np.stack([make(2)[step] for step in range(20)]))
    assert len(np.unique(np.stack(forward)[:, :, 0])) > 5


def test_far_steps_are_reached_at_once():
    for tokens, context in ((STREAM, 8), (ROWS, 4)):
        ds = batches(tokens, context=context, batch=3, seed=0)
        np.testing.assert_array_equal(ds[2_000_000_000], ds[2_000_000_000])
        assert not np.array_equal(ds[2_000_000_000], ds[2_000_000_001])


def test_stream_batch_holds_runs_of_the_stream_from_all_over_it():
    ds = batches(STREAM, context=8, batch=50, seed=0)
    starts = np.concatenate([ds[step][:, 0] for step in range(200)])
    np.testing.assert_array_equal(ds[0], ds[0][:, :1] + np.arange(9))
    assert (starts.min(), starts.max()) == (0, 991)
    counts = np.histogram(starts, bins=8, range=(0, 992))[0]
    assert (np.abs(counts - 1250) < 6 * np.sqrt(1250)).all()


@pytest.mark.parametrize("batch", [1, 3, 10, 25])
def test_every_row_comes_once_in_each_epoch_in_a_new_order(batch):
    ds = batches(ROWS, context=4, batch=batch, seed=0)
    taken = np.concatenate([ds[step] for step in range(-(-40 // batch))])[:40]
    np.testing.assert_array_equal(taken, taken[:, :1] + np.arange(5))
    epochs = taken[:, 0].reshape(4, 10)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(ROWS[:, 0], (4, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_order_of_rows_does_not_depend_on_the_batch_size():
    one, two = (batches(ROWS, context=4, batch=batch, seed=0) for batch in (2, 5))
    np.testing.assert_array_equal(
        np.concatenate([one[i] for i in range(10)]), np.concatenate([two[i] for i in range(4)])
    )


@pytest.mark.parametrize(("tokens", "context"), [(STREAM, 8), (ROWS, 4)], ids=["stream", "rows"])
def test_fixed_first_token_starts_every_sequence_and_moves_the_text_right(tokens, context):
    for sequences in (
        batches(tokens, context=context, batch=6, seed=0, bos=BOS)[3],
        windows(tokens, context=context, bos=BOS),
    ):
        assert sequences.shape[1] == context + 1 and sequences.dtype == np.int32
        assert (sequences[:, 0] == BOS).all()
        np.testing.assert_array_equal(sequences[:, 1:], sequences[:, 1:2] + np.arange(context))
    if tokens.ndim == 2:
        np.testing.assert_array_equal(sequences[:, 1:], tokens[:, :-1])


@given(length=st.integers(2, 60), context=st.integers(1, 12), bos=st.sampled_from([None, BOS]))
def test_windows_predict_every_token_once_up_to_a_dropped_part(length, context, bos):
    tokens = STREAM[:length]
    if length < context + (bos is None):
        with pytest.raises(InputError, match="too short"):
            windows(tokens, context=context, bos=bos)
        return
    cut = windows(tokens, context=context, bos=bos)
    first = 1 if bos is None else 0
    targets = cut[:, 1:].ravel()
    np.testing.assert_array_equal(targets, tokens[first : first + len(targets)])
    assert length - first - len(targets) < context
    assert bos is None or (cut[:, 0] == bos).all()
    assert bos is not None or (cut[:, 0] == tokens[: len(cut) * context : context]).all()


def test_windows_of_rows_are_the_rows():
    np.testing.assert_array_equal(windows(ROWS, context=4), ROWS)


def test_shortest_stream_that_fits_gives_its_only_window():
    np.testing.assert_array_equal(batches(STREAM[:9], context=8, batch=2, seed=0)[5], [STREAM[:9]] * 2)
    np.testing.assert_array_equal(batches(STREAM[:8], context=8, batch=1, seed=0, bos=BOS)[5], [[BOS, *range(8)]])


def test_too_short_a_corpus_is_refused_with_both_counts():
    for make in (
        lambda bos: batches(STREAM[:7], context=8, batch=1, seed=0, bos=bos),
        lambda bos: windows(STREAM[:7], context=8, bos=bos),
    ):
        with pytest.raises(InputError, match="7 tokens, context=8 needs at least 9"):
            make(None)
        with pytest.raises(InputError, match="needs at least 8"):
            make(BOS)


def test_rows_of_another_context_are_refused():
    for context in (3, 5):
        with pytest.raises(InputError, match=f"context={context} needs rows of {context + 1} symbols, got 5"):
            batches(ROWS, context=context, batch=1, seed=0)


@pytest.mark.parametrize(("field", "value"), [("context", 0), ("batch", 0), ("seed", -1)])
def test_numbers_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(InputError, match=f"{field} must be >="):
        batches(STREAM, **{"context": 8, "batch": 2, "seed": 0, field: value})


@pytest.mark.parametrize("kind", ["char", "byte", "bpe"])
def test_stream_decodes_to_the_documents_with_a_blank_line_between(kind):
    corpus = text_corpus("x", [f"page {i} says é" for i in range(12)], 0.2)
    size = {"vocab_size": 260} if kind == "bpe" else {}
    tokenizer = Tokenizer.train(kind, corpus.train + corpus.valid, **size)
    data = encode_corpus(corpus, tokenizer)
    assert data.train.dtype == np.int32 and len(corpus.valid) > 1
    assert tokenizer.decode(data.train) == "\n\n".join(corpus.train)
    assert tokenizer.decode(data.valid) == "\n\n".join(corpus.valid)


def test_rows_keep_their_symbols_as_ids():
    corpus = corpora.load("backcopy", context=4)
    assert isinstance(corpus, RowCorpus)
    data = encode_corpus(corpus, Tokenizer.symbols(corpus.alphabet, bos=True))
    np.testing.assert_array_equal(data.train, corpus.train)
    assert data.valid.dtype == np.int32 and data.valid.shape == (512, 5)


def test_tokenizer_that_does_not_number_the_rows_symbols_is_refused():
    corpus = row_corpus("x", np.zeros((4, 3), np.uint8), 1, "ab")
    with pytest.raises(InputError, match=r"use Tokenizer\.symbols"):
        encode_corpus(corpus, Tokenizer.symbols("ba"))
