"""Presets build models of the known shapes and carry the known recipes."""

import pytest

from jattn.errors import InputError
from jattn.model import count_parameters
from train.config import flatten, override
from train.presets import PRESETS, preset

# vocabulary -> parameters. nanoGPT and GPT-2 count 12 L D^2 + 2 L D + D + (V + T) D without biases.
PARAMETERS = {
    "nanogpt-cpu": (65, 4 * (12 * 128**2 + 2 * 128) + 128 + (65 + 64) * 128),
    "nanogpt-gpu": (65, 6 * (12 * 384**2 + 2 * 384) + 384 + (65 + 256) * 384),
    "gpt2-124m": (50257, 12 * (12 * 768**2 + 13 * 768) + 2 * 768 + (50257 + 1024) * 768),
}


@pytest.mark.parametrize("name", PRESETS)
def test_preset_bears_its_name_and_its_model_can_be_built(name):
    config = preset(name)
    assert config.preset == name and config.name == f"{name}-standard-s0"
    model = override(config, {"model.vocab_size": 65}).model
    assert count_parameters(model) > 12 * model.layers * model.width**2 * 0.9
    assert PRESETS[name].__doc__ and "\n" not in PRESETS[name].__doc__  # `jattn train --help` prints it


@pytest.mark.parametrize("name", PARAMETERS)
def test_known_recipe_has_the_known_number_of_parameters(name):
    vocab_size, expected = PARAMETERS[name]
    assert count_parameters(override(preset(name), {"model.vocab_size": vocab_size}).model) == expected


def test_nanogpt_cpu_has_804_096_parameters_on_65_characters():
    assert PARAMETERS["nanogpt-cpu"][1] == 804_096


NANOGPT = {
    "model.positions": "learned",
    "model.norm.kind": "layernorm",
    "model.bias.norm": False,
    "model.norm.position": "pre",
    "model.mlp.activation": "gelu",
    "model.norm.qk": False,
    "model.bias.qkv": False,
    "model.bias.out": False,
    "model.bias.mlp": False,
    "model.output.tied": True,
    "data.tokenizer": "char",
    "optimizer.optimizer": "adamw",
    "optimizer.learning_rate": 1e-3,
    "optimizer.final_ratio": 0.1,
    "optimizer.warmup": 100,
    "optimizer.weight_decay": 0.1,
    "optimizer.beta1": 0.9,
    "optimizer.beta2": 0.99,
    "optimizer.clip": 1.0,
}


@pytest.mark.parametrize(
    ("name", "layers", "heads", "width", "context", "batch", "steps", "dropout"),
    [("nanogpt-cpu", 4, 4, 128, 64, 12, 2000, 0.0), ("nanogpt-gpu", 6, 6, 384, 256, 64, 5000, 0.2)],
)
def test_nanogpt_presets_are_nanogpts_recipes(name, layers, heads, width, context, batch, steps, dropout):
    expected = NANOGPT | {
        "model.layers": layers,
        "model.heads": heads,
        "model.width": width,
        "model.context": context,
        "data.batch": batch,
        "steps": steps,
        "model.dropout.embed": dropout,
        "model.dropout.resid": dropout,
        "model.dropout.mlp": dropout,
    }
    config = flatten(preset(name))
    assert {field: config[field] for field in expected} == expected


def test_small_sees_as_many_tokens_as_nanogpt_cpu_in_the_same_shape():
    ours, theirs = preset("small"), preset("nanogpt-cpu")
    for get in (
        lambda c: (c.model.layers, c.model.heads, c.model.width, c.model.context),
        lambda c: (c.steps, c.tokens_per_step),
    ):
        assert get(ours) == get(theirs)


def test_tokens_per_step_are_sequences_times_context():
    assert preset("nanogpt-cpu").tokens_per_step == 12 * 64


def test_unknown_preset_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"preset: unknown value 'nanogpt_cpu'. Did you mean 'nanogpt-cpu'"):
        preset("nanogpt_cpu")
