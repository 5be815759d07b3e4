"""Layers written out, unrolled or scanned: the same numbers, gradients, parameters and observations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn.model import assemble, parameter_shapes
from jattn.taps import at
from tests import small
from tests.configs import model_config
from tests.small import TOKENS, B, T, V
from tests.small import drawn as weights

# Compiles sooner; none of these knows of the loop.
SIZES = {"compute__implementation": "dense", "mlp__activation": "none", "positions": "none", "norm__qk": False}
# Two kinds over an odd number of layers; one kind, with a sink token whose row the scan carries.
PATTERNS = {"local:3,null+gate": 5, "token+local:2": 2}


def tiny(attention, loop, **changes):
    return small.tiny(attention, **{**SIZES, "layers": PATTERNS.get(attention), "compute__layer_loop": loop, **changes})


def observe(seen):
    return {"layer": seen.layer, "z": seen["z"], "null_mass": seen.null_mass.mean(), "weights": seen.weights(2, 3)}


def double_head_one(z):
    return z.at[:, :, 1].multiply(2.0)


def run(config):
    """Logits, what was observed and the gradients, with head 1 doubled in layer 1."""

    def loss(p):
        out, seen = assemble(config, p)(TOKENS, observe=observe, edit=at("z", double_head_one, layer=1))
        return jnp.sin(out).sum(), (out, seen)

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(weights(config))


def close(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12), a, b)


@pytest.mark.parametrize(
    ("attention", "loop"), [*((attention, "scan") for attention in PATTERNS), ("local:3,null+gate", "unrolled")]
)
def test_loops_agree_in_logits_gradients_and_observations(x64, attention, loop):
    close(run(tiny(attention, loop)), run(tiny(attention, "python")))


def test_loops_agree_without_taps_and_with_dropout(x64):
    a, b = (tiny("token+local:2", loop, dropout__resid=0.3) for loop in ("scan", "python"))
    for key in (None, jax.random.key(0)):
        close(*(assemble(c, weights(c))(TOKENS, dropout_key=key) for c in (a, b)))


@pytest.mark.parametrize("loop", ["python", "scan"])
def test_edit_of_one_layer_changes_that_layer_and_what_follows(x64, loop):
    config = tiny("null", loop, layers=3)
    model = assemble(config, weights(config))
    z = [
        model(TOKENS, observe=lambda seen: seen["z"], edit=edit)[1]
        for edit in (None, at("z", double_head_one, layer=1))
    ]
    close(z[1][0], z[0][0])
    close(z[1][1], double_head_one(z[0][1]))
    assert np.abs(z[1][2] - z[0][2]).max() > 1e-3


def test_layers_are_observed_in_order_and_counted_from_zero(x64):
    for loop in ("python", "scan"):
        config = tiny("local:3,null+gate", loop)
        model = assemble(config, weights(config))
        assert model(TOKENS, observe=lambda seen: seen.layer)[1].tolist() == [0, 1, 2, 3, 4]


def test_a_model_without_layers_shows_nothing(x64):
    config = tiny("standard", "auto", layers=0)
    out, seen = assemble(config, weights(config))(TOKENS, observe=observe)
    assert out.shape == (B, T, V) and seen is None


@pytest.mark.parametrize("attention", PATTERNS)
def test_parameters_are_named_by_layer_whatever_the_loop(x64, attention):
    shapes = [parameter_shapes(tiny(attention, loop)) for loop in ("python", "unrolled", "scan", "auto")]
    assert all(names == shapes[0] for names in shapes)
    layers = {name.split(".")[1] for name in shapes[0] if name.startswith("blocks.")}
    assert layers == set(map(str, range(PATTERNS[attention])))


@pytest.mark.parametrize(
    ("loop", "layers", "scanned"),
    [("auto", 12, False), ("auto", 13, True), ("scan", 2, True), ("scan", 1, False), ("python", 13, False)],
)
def test_auto_writes_out_up_to_twelve_layers_and_scans_more(loop, layers, scanned):
    config = model_config(**small.SIZES | SIZES | {"layers": layers}, compute__layer_loop=loop)
    program = jax.make_jaxpr(lambda p: assemble(config, p)(TOKENS))(parameter_shapes(config))
    assert any(e.primitive.name == "scan" for e in program.eqns) == scanned
