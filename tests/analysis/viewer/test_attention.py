"""Plain arrays become attention, or are refused in one line that says where and what."""

import numpy as np
import pytest

from analysis.viewer.attention import Attention
from analysis.viewer.layer import Layer, Vectors
from analysis.viewer.words import of_strings
from jattn.errors import InputError
from tests.analysis.viewer.conftest import attention

T = 6
TOKENS = list("abcdef")


def given(**changes):
    weights, null = attention(2, T, null=True)
    return {"name": "mine", "layers": [weights], "tokens": TOKENS, "null": [null]} | changes


class Foreign:
    """An array of another library: all that is asked of it is __array__."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def test_arrays_of_any_library_give_the_same():
    import jax.numpy as jnp

    weights, null = attention(2, T, null=True)
    for kind in (np.asarray, jnp.asarray, Foreign, lambda a: a.tolist(), lambda a: a.astype(np.float64)):
        found = Attention.of("mine", [kind(weights)], TOKENS, null=[kind(null)])
        np.testing.assert_array_equal(found.layers[0].weights, weights)
        np.testing.assert_array_equal(found.layers[0].null, null)


def test_one_array_of_all_layers_is_taken_apart():
    weights = np.stack([attention(2, T, seed=i)[0] for i in range(3)])
    found = Attention.of("mine", weights, TOKENS)
    assert len(found.layers) == 3 and found.heads == [(i, n) for i in range(3) for n in range(2)]


def test_layers_may_have_other_numbers_of_heads():
    found = Attention.of("mine", [attention(n, T)[0] for n in (1, 4, 2)], TOKENS)
    assert [len(layer.weights) for layer in found.layers] == [1, 4, 2]


def test_keys_may_be_another_text():
    weights, _ = attention(2, T, 9, causal=False)
    found = Attention.of("cross", [weights], TOKENS, keys=list("123456789"))
    assert (found.T, found.S, found.causal) == (6, 9, False)


def test_whether_attention_is_causal_is_seen():
    assert Attention.of("mine", [attention(2, T)[0]], TOKENS).causal
    assert not Attention.of("mine", [attention(2, T, causal=False)[0]], TOKENS).causal


def test_torch_is_never_imported():
    import subprocess
    import sys

    code = "import analysis.viewer.show, sys; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def set_at(value, *where):
    weights, _ = attention(2, T)
    weights[where] = value
    return {"layers": [weights], "null": None}


WRONG = [
    ({"layers": [], "null": None}, "there are no layers"),
    ({"layers": [np.zeros((T, T))], "null": None}, r"layer 0: weights must be \[heads, 6, 6\].*got \(6, 6\)"),
    ({"layers": [np.zeros((2, T, 7))]}, r"got \(2, 6, 7\)"),
    ({"tokens": TOKENS[:5]}, r"for 5 query and 5 key tokens"),
    ({"tokens": []}, "tokens is empty"),
    ({"layers": [["a"]], "null": None}, "is no array of numbers"),
    ({"null": [np.zeros((2, 5))]}, r"null must be \(2, 6\)"),
    ({"null": [None, None]}, "null has 2 entries for 1 layers"),
    ({"windows": [1, 2]}, "windows has 2 entries for 1 layers"),
    (set_at(np.nan, 0, 3, 1), "1 weights are NaN or infinite"),
    (set_at(-0.1, 0, 3, 1), "weights must be from 0 to 1, got -0.1"),
    (set_at(7.0, 0, 3, 1), "weights must be from 0 to 1.*after the softmax"),
    (set_at(0.9, 1, 4, 0) | {"causal": True}, "head 1, query 4: weights and null sum to"),
    ({"null": None}, "head ., query .: weights and null sum to 0.*null= *, or softmax=False"),
    ({"causal": True, "layers": [attention(2, T, causal=False)[0]], "null": None}, "on a key that the mask hides"),
    ({"windows": [2]}, "on a key that the mask hides"),
    ({"split": 6}, "split must be from 1 to 5"),
    ({"word_classes": ["x"]}, "1 word classes for 6 tokens"),
    ({"vectors": {(0, 5): Vectors(np.zeros((T, 4)), np.zeros((T, 4)))}}, r"vectors of head 0.5, which is not here"),
    ({"vectors": {(0, 1): Vectors(np.zeros((T, 4)), np.zeros((5, 4)))}}, r"must be q \(6, H\) and k \(6, H\)"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[m[:24] for _, m in WRONG])
def test_what_cannot_be_attention_is_refused_in_one_line(changes, message):
    with pytest.raises(InputError, match=message) as error:
        Attention.of(**given(**changes))
    assert "\n" not in str(error.value)
    assert "mine" in str(error.value) or "word_classes" in changes


def test_rows_without_a_normaliser_need_not_sum_to_one():
    weights = 0.3 * attention(2, T)[0]
    assert not Attention.of("mine", [weights], TOKENS, softmax=False).layers[0].softmax


def test_causal_with_keys_of_another_text_is_refused():
    with pytest.raises(InputError, match="means nothing"):
        Attention.of("x", [attention(1, T, 6)[0]], TOKENS, keys=TOKENS, causal=True)


def test_a_layer_names_its_heads():
    with pytest.raises(InputError, match="1 numbers for 2 heads"):
        Attention("x", (Layer(attention(2, T)[0], heads=(0,)),), of_strings(TOKENS), causal=True)
