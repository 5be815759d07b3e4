"""What is shown of a run is what the model computes: weights, null mass, and scores made of queries and keys."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from tokenizers import Tokenizer as Library
from tokenizers import models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from analysis.texts.annotations import grammar, sentence_pairs, silver
from analysis.viewer import read as module
from analysis.viewer.read import encode, read
from jattn.errors import InputError
from tests.planted import byte_run
from train.tokenizers import Tokenizer

TEXT = "the cat sat on the mat"
KINDS = {
    "standard": {},
    "null": {},
    "zero+local:5": {},
    "null+first:1+local:4": {},
    "token": {},
    "logit,standard": {},
    "sigmoid": {},
    "null ": {"score__soft_cap": 2.0, "positions": "alibi"},
    "standard ": {"positions": "learned", "kv_heads": 1, "heads": 2},
    "null  ": {"score__kind": "sigmoid_normalised"},
    "key_value": {"causal": False},
    "standard  ": {"layers": 14, "compute__layer_loop": "scan"},
}


@pytest.fixture(scope="module", params=KINDS, ids=[f"{k}{v or ''}" for k, v in KINDS.items()])
def run(request):
    return byte_run(request.param.strip(), **KINDS[request.param])


def test_weights_and_null_are_those_of_run_attention(run):
    found, whole = read(run, TEXT), np.asarray(run.attention(TEXT))
    for i, layer in enumerate(found.layers):
        np.testing.assert_allclose(layer.weights, whole[i, ..., 1:], atol=1e-6)
        kind = run.config.model.layer(i)
        assert (layer.null is not None) == kind.has_null
        if layer.null is not None:
            np.testing.assert_allclose(layer.null, whole[i, ..., 0], atol=1e-6)
        assert (layer.window, layer.first, layer.number) == (kind.window, kind.first, i)


@pytest.mark.parametrize("attention", ["null+first:1+local:4", "sigmoid"])
def test_blocks_of_queries_give_the_same(attention, monkeypatch):
    run = byte_run(attention)
    whole = read(run, TEXT)
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * run.config.model.layers * run.config.model.heads * whole.T * 7)
    for a, b in zip(whole.layers, read(run, TEXT).layers, strict=True):
        np.testing.assert_allclose(a.weights, b.weights, atol=1e-6)


def test_weights_follow_from_the_vectors(run):
    """score = f(scale q . k): soft cap, ALiBi, log sigmoid; then a softmax with the null in its sum."""
    found = read(run, TEXT)
    assert set(found.vectors) == set(found.heads)
    distance = np.abs(np.arange(found.T)[:, None] - np.arange(found.T))
    for (i, n), v in found.vectors.items():
        x = v.scale * np.asarray(v.q, float) @ np.asarray(v.k, float).T
        x = v.cap * np.tanh(x / v.cap) if v.cap else x
        x = x - v.slope * distance if v.slope else x
        if v.normaliser == "sigmoid":
            weights = 1 / (1 + np.exp(-x - v.bias))
        else:
            e = np.exp(-np.logaddexp(0, -x) if v.normaliser == "log-sigmoid" else x) * found.visible(i)
            weights = e / (e.sum(-1) + (0 if v.s_null is None else np.exp(v.s_null)))[:, None]
        np.testing.assert_allclose(weights * found.visible(i), found.layers[i].weights[n], atol=2e-5)


def test_layers_that_are_asked_for_keep_their_numbers():
    run = byte_run(layers=4)
    found, whole = read(run, TEXT, layers=[3, 1]), read(run, TEXT)
    assert [layer.number for layer in found.layers] == [1, 3]
    for layer in found.layers:
        np.testing.assert_array_equal(layer.weights, whole.layers[layer.number].weights)
    np.testing.assert_array_equal(found.vectors[1, 0].q, whole.vectors[3, 0].q)


def test_two_sentences_of_a_causal_model_are_one_text():
    run = byte_run()
    found = read(run, "The cat sat.", "A dog lay.")
    assert "".join(found.tokens.text) == "The·cat·sat.·A·dog·lay."
    assert found.split == len("The cat sat. ")


def bert():
    """A run whose tokenizer writes [CLS] A [SEP] B [SEP] with types."""
    vocabulary = {w: i for i, w in enumerate(["[CLS]", "[SEP]", "the", "cat", "sat", "dog", "lay"])}
    library = Library(models.WordLevel(vocabulary, unk_token="[CLS]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.add_special_tokens(["[CLS]", "[SEP]"])
    library.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 0), ("[SEP]", 1)],
    )
    run = byte_run(causal=False, token_types=2, vocab_size=7, positions="learned", layers=1)
    return replace(run, meta=run.meta | {"tokenizer": Tokenizer.from_json(library.to_str()).to_json()})


def test_two_sentences_of_berts_kind_have_their_frame_and_their_types():
    run = bert()
    encoded = encode(run, "the cat sat", "the dog lay")
    ids, types = encoded.ids, encoded.types
    found = read(run, "the cat sat", "the dog lay")
    assert found.tokens.text == ("[CLS]", "the", "cat", "sat", "[SEP]", "the", "dog", "lay", "[SEP]")
    assert found.split == encoded.split == 5 and types.tolist() == [0] * 5 + [1] * 4
    _, weights = run.model(ids[None], token_types=jnp.asarray(types[None]), observe=lambda seen: seen.weights())
    np.testing.assert_allclose(found.layers[0].weights, weights[0, 0], atol=1e-6)


def test_an_annotated_sentence_brings_its_word_classes():
    run, (sentence,) = byte_run(), grammar(1, seed=3)
    found = read(run, sentence)
    spans = zip(sentence.spans, sentence.classes, strict=True)
    classes = ["space"] + ["space" if c == " " else None for c in sentence.text]  # a line break stands before it
    for (start, end), name in spans:
        classes[start + 1 : end + 1] = [name] * (end - start)
    assert list(found.tokens.word_class) == classes
    assert "annotated" in found.tokens.classes_from
    assert "guesses" in read(run, silver(["The cat sat."])[0]).tokens.classes_from


def test_an_annotated_pair_is_two_sentences():
    (pair,) = sentence_pairs(1)
    found = read(byte_run(context=200), pair)
    assert pair.second is not None and found.split == 1 + pair.spans[pair.second][0]


REFUSED = [
    (("",), "text: is empty"),
    (("a", ""), "text_b: is empty"),
    (("x" * 97,), "97 tokens are more than the context of runs.made, 96"),
    (("\ud800",), "lone surrogate"),
]


@pytest.mark.parametrize(("texts", "message"), REFUSED)
def test_a_text_that_cannot_be_read_is_refused(texts, message):
    with pytest.raises(InputError, match=message):
        read(byte_run(), *texts)


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="there is no layer 2; the model has 0 to 1"):
        read(byte_run(), TEXT, layers=[2])


def test_a_model_without_layers_has_nothing_to_show():
    with pytest.raises(InputError, match="no attention to look at"):
        read(byte_run(layers=0), TEXT)


def test_weights_that_are_no_numbers_are_refused():
    run = byte_run()
    run.parameters["blocks.0.attention.q.kernel"] = jnp.full_like(
        run.parameters["blocks.0.attention.q.kernel"], jnp.nan
    )
    with pytest.raises(InputError, match=r"blocks.0.attention.q.kernel are NaN"):
        read(run, TEXT)
