"""Packing: what comes back is within the stated bound, in every shape, and rows still sum to 1."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.viewer import codec
from analysis.viewer.codec import Blobs, Coding
from tests.analysis.viewer.conftest import attention


@pytest.mark.parametrize("bits", [8, 16])
@given(st.integers(1, 30), st.integers(1, 35), st.integers(0, 5), st.sampled_from(["triangle", "band", "full"]))
def test_what_comes_back_is_within_the_bound(bits, T, window, seed, shape):
    coding = Coding(bits, shape, window)
    weights = np.where(codec.cells(coding, T, T), attention(1, T, seed=seed)[0][0], 0)
    back = codec.unpack(codec.pack(weights, coding), coding, T, T)
    assert (np.abs(back - weights) <= codec.bound(weights, bits)).all()
    assert (back[~codec.cells(coding, T, T)] == 0).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_the_ends_of_the_range_come_back_exactly(bits):
    weights = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    coding = Coding(bits, "full")
    np.testing.assert_array_equal(codec.unpack(codec.pack(weights, coding), coding, 2, 2), weights)


def test_rows_of_a_long_text_still_sum_to_one():
    """Rounding is off by at most half a step either way, so a row of many small weights loses next to nothing."""
    weights = attention(1, 400)[0][0]
    for bits, error in ((8, 0.02), (16, 0.005)):
        coding = Coding(bits, "triangle")
        back = codec.unpack(codec.pack(weights, coding), coding, 400, 400)
        np.testing.assert_allclose(back.sum(-1), 1, atol=error)


def test_a_triangle_holds_the_keys_up_to_the_query_and_a_band_the_last_of_them():
    assert codec.cells(Coding(8, "triangle"), 3, 3).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert codec.cells(Coding(8, "band", 2), 3, 3).tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert codec.cells(Coding(8, "full"), 2, 3).all()


def test_the_bytes_are_the_cells_row_by_row_the_low_byte_first():
    weights = np.array([[1.0, 0.0], [0.25, 0.75]], np.float32)
    assert list(zlib.decompress(codec.pack(weights, Coding(8, "triangle")))) == [255, 128, 221]
    assert list(zlib.decompress(codec.pack(weights, Coding(16, "triangle")))) == [255, 255, 0x00, 0x40, 0xFF, 0xBF]


@pytest.mark.parametrize(
    ("causal", "window", "first", "shape"),
    [(True, None, 0, "triangle"), (True, 4, 0, "band"), (True, 4, 2, "triangle"), (False, 4, 0, "full")],
)
def test_the_shape_holds_all_that_the_mask_shows(causal, window, first, shape):
    assert codec.shape_of(causal, window, first) == shape
    weights = attention(1, 9, causal=causal, window=window, first=first)[0][0]
    coding = Coding(16, shape, window)
    np.testing.assert_allclose(codec.unpack(codec.pack(weights, coding), coding, 9, 9), weights, atol=1e-5)


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_thumbnail_holds_the_largest_weight_of_each_block(T, S):
    weights = np.random.default_rng(0).uniform(size=(1, T, S)).astype(np.float32)
    small = codec.pooled(weights)
    assert small.shape[1:] == codec.thumb_size(T, S)
    h, w = small.shape[1:]
    for i in range(h):
        for j in range(w):
            block = weights[0, i * T // h : (i + 1) * T // h, j * S // w : (j + 1) * S // w]
            assert small[0, i, j] == block.max()


def test_renormalised_rows_sum_to_one_or_are_empty():
    weights, null = attention(4, 20, null=True)
    null[0, 3] = 0.99
    weights[0, 3] *= 0.01 / weights[0, 3].sum()
    rows = codec.renormalised(weights, null)
    assert rows[0, 3].sum() == 0
    others = np.delete(rows[0], 3, 0)
    np.testing.assert_allclose(others.sum(-1), 1, atol=1e-6)


def test_without_a_null_position_1_stands_for_it():
    weights, _ = attention(2, 6)
    rows = codec.renormalised(weights, None)
    assert (rows[..., 0] == 0).all() and (rows[:, 0] == 0).all()
    np.testing.assert_allclose(rows[:, 1:].sum(-1), 1, atol=1e-6)
    assert (weights[..., 0] > 0).all(), "the weights themselves stay as they were"


def test_arrays_stand_in_one_text_each_where_it_says():
    blobs = Blobs()
    parts = [b"", b"a", b"some bytes", bytes(range(256))]
    places = [blobs.add(part) for part in parts]
    from base64 import b64decode

    assert [b64decode(blobs.text[at : at + size]) for at, size in places] == parts
    assert blobs.length == len(blobs.text)


@pytest.mark.parametrize("bits", [16, 32])
def test_numbers_come_back_as_what_the_type_holds(bits):
    values = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float16)
    kind = np.dtype("<f2" if bits == 16 else "<f4")
    back = np.frombuffer(zlib.decompress(codec.floats(values, bits)), kind)
    np.testing.assert_array_equal(back, values.ravel())
