"""Streaming capture against the same measures taken from the maps themselves, by plain loops."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.capture.capture import capture
from analysis.capture.layers import visible_maps
from analysis.capture.uniform import uniform_values
from jattn.config import ModelConfig
from jattn.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(0).integers(0, 20, (6, 17)).astype(np.int32)


def maps_of(run, windows):
    """[W, L, N, T, 1 + T] from the notebook's call, one text at a time."""
    import jax.numpy as jnp

    def observe(seen):
        return jnp.concatenate([seen.null_mass.swapaxes(1, 2)[..., None], seen.weights()], -1)

    return np.stack([np.asarray(run.model(w[None, :-1], observe=observe)[1][:, 0]) for w in windows])


def test_values_equal_those_of_plain_loops_over_the_maps(text, windows):
    run = text["null+local:4", 0]
    record, maps = capture(run, windows, batch=4, maps=5), maps_of(run, windows)
    null, real = maps[..., 0], maps[..., 1:]
    T = real.shape[-1]
    np.testing.assert_allclose(record.heads["null_share"].blocks, null[..., 1:].mean(-1), atol=1e-5)
    alpha_2 = np.mean([real[..., t, 1] for t in range(1, T)], 0)
    np.testing.assert_allclose(record.heads["alpha_2"].blocks, alpha_2, atol=1e-5)
    previous = np.mean([real[..., t, t - 1] / (1 - null[..., t]) for t in range(1, T)], 0)
    np.testing.assert_allclose(record.heads["previous"].blocks, previous, atol=1e-4)
    distance = sum(real[..., t, s] * (t - s) for t in range(T) for s in range(T)) / real.sum((-1, -2))
    np.testing.assert_allclose(record.heads["mean_distance_tokens"].blocks, distance, rtol=1e-4)
    np.testing.assert_allclose(record.mean_map, maps.mean(0), atol=1e-5)
    np.testing.assert_allclose(record.maps, maps[:5], atol=1e-5)


def test_the_size_of_a_batch_changes_nothing(text, windows):
    """Also one that divides neither the number of windows nor that of the maps kept."""
    run = text["null+local:4", 0]
    parts, whole = capture(run, windows, batch=4, maps=5), capture(run, windows)
    np.testing.assert_allclose(parts.mean_map, whole.mean_map, atol=1e-6)
    np.testing.assert_allclose(parts.loss_nats.blocks, whole.loss_nats.blocks, rtol=1e-5)
    np.testing.assert_allclose(parts.maps[:4], whole.maps, atol=1e-6)
    assert len(parts.maps) == 5
    for name in whole.heads:
        np.testing.assert_allclose(parts.heads[name].blocks, whole.heads[name].blocks, atol=1e-4, err_msg=name)
    for name in whole.layers:
        np.testing.assert_allclose(parts.layers[name].blocks, whole.layers[name].blocks, rtol=1e-4, err_msg=name)


def test_null_and_real_keys_together_take_all_attention(text, windows):
    record = capture(text["null+local:4", 0], windows)
    np.testing.assert_allclose(record.mean_map.sum(-1), 1, atol=1e-5)


def test_a_model_without_a_null_has_null_mass_zero(text, windows):
    record = capture(text["standard", 0], windows)
    assert (record.heads["alpha_null"].mean == 0).all()


def test_loss_is_that_of_the_logits(text, windows):
    run = text["standard", 0]
    logits = np.asarray(run.model(windows[:, :-1]), np.float64)
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [-np.mean([log_probs[b, t, w[t + 1]] for t in range(16)]) for b, w in enumerate(windows)]
    np.testing.assert_allclose(capture(run, windows).loss_nats.blocks, expected, rtol=1e-5)


def test_visible_keys_are_counted_per_layer():
    maps = visible_maps(ModelConfig(layers=3, attention="standard,local:3,first:1+local:2"), 6)
    assert maps.sum(-1).tolist() == [[1, 2, 3, 4, 5, 6], [1, 2, 3, 3, 3, 3], [1, 2, 3, 3, 3, 3]]


def test_sigmoid_rows_are_shared_out_before_they_are_measured(sigmoid_run, windows):
    maps = capture(sigmoid_run, windows).maps
    np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-5)
    assert abs(maps_of(sigmoid_run, windows).sum(-1) - 1).max() > 0.01


def test_uniform_values_are_closed_forms():
    T = 8
    harmonic = sum(1 / t for t in range(1, T + 1)) / T
    plain = uniform_values(ModelConfig(layers=1), T)
    assert plain["alpha_1"] == pytest.approx(harmonic, rel=1e-5)
    assert plain["mean_distance_tokens"] == pytest.approx((T - 1) / 4, rel=1e-5)
    assert plain["entropy_normalised"] == pytest.approx(1, rel=1e-5)
    null = uniform_values(ModelConfig(layers=1, attention="null"), T)
    assert null["alpha_null"] == pytest.approx(sum(1 / (t + 1) for t in range(1, T + 1)) / T, rel=1e-5)
    window = uniform_values(ModelConfig(layers=1, attention="local:2"), T)
    assert window["previous"] == pytest.approx(1 / 2, rel=1e-5)


def test_several_devices_give_the_same_numbers_as_one(text, windows, tmp_path, two_devices):
    """Two virtual devices in a process of their own; six windows in batches of four, so that one is filled up."""
    run = text["null+local:4", 0]
    np.save(tmp_path / "windows.npy", windows)
    code = (
        "import sys, numpy as np, jax, train; from analysis.capture.capture import capture\n"
        "assert len(jax.devices()) == 2\n"
        "record = capture(train.load(sys.argv[1]), np.load(sys.argv[2] + '/windows.npy'), batch=4)\n"
        "np.savez(sys.argv[2] + '/found.npz', map=record.mean_map, loss=record.loss_nats.blocks,\n"
        "         **{name: sums.blocks for name, sums in record.heads.items()})\n"
    )
    words = [sys.executable, "-c", code, str(run.path), str(tmp_path)]
    subprocess.run(words, check=True, env=two_devices, cwd=ROOT)
    found, one = np.load(tmp_path / "found.npz"), capture(run, windows)
    np.testing.assert_allclose(found["map"], one.mean_map, atol=1e-5)
    np.testing.assert_allclose(found["loss"], one.loss_nats.blocks, rtol=1e-5)
    for name, sums in one.heads.items():
        np.testing.assert_allclose(found[name], sums.blocks, atol=1e-4, err_msg=name)


def test_more_windows_than_blocks_are_added_up_in_64_blocks(text):
    """130 windows: blocks of two or three consecutive ones; their sums are those of the windows one by one."""
    run, T = text["standard", 0], 16
    many = np.random.default_rng(3).integers(0, 20, (130, T + 1)).astype(np.int32)
    record = capture(run, many, batch=6)
    whole = np.concatenate([capture(run, part, batch=6).heads["previous"].blocks for part in np.split(many, 10)])
    block = np.arange(130) * 64 // 130
    assert record.heads["previous"].blocks.shape[0] == 64
    expected = np.stack([whole[block == b].mean(0) for b in range(64)])
    np.testing.assert_allclose(record.heads["previous"].blocks, expected, atol=1e-5)
    np.testing.assert_allclose(record.per_head()["previous"], whole.mean(0), atol=1e-5)


def test_no_windows_are_refused(text):
    with pytest.raises(InputError, match="windows: there are none to read"):
        capture(text["standard", 0], np.zeros((0, 17), np.int32))
