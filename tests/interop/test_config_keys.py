"""A config is read whole: what is not known is refused, what changes the mathematics is never ignored."""

import pytest

from jattn.config import RopeConfig
from jattn.errors import InputError
from jattn.interop import bert, gpt2, gpt_oss, llama
from jattn.interop.config_keys import Keys
from jattn.interop.family import config_from
from jattn.interop.patterns import repeating

LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 11,
    "max_position_embeddings": 64,
}


def read(kind, family=llama, **changes):
    keys = Keys({k: v for k, v in {**LLAMA, **changes}.items() if v != "absent"}, "config.json")
    config = family.config(keys, kind)
    keys.done()
    return config


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"logits_scaling": 8.0}, "'logits_scaling' = 8.0 is not known here and may change the model"),
        ({"hidden_act": "gelu"}, "'hidden_act' = 'gelu' is not supported, only 'silu'"),
        ({"hidden_size": "absent"}, "'hidden_size' is missing"),
        ({"hidden_size": "32"}, "'hidden_size' must be int, got '32'"),
        ({"hidden_size": True}, "'hidden_size' must be int, got True"),
        ({"vocab_size": 10**12}, "a size must be from 1 to"),
        ({"num_hidden_layers": -1}, "a size must be from 1 to"),
        ({"rope_scaling": {"rope_type": "longrope", "factor": 2.0}}, "rope_type 'longrope' is not supported"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_type 'dynamic' is not supported"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0, "beta": 1}}, "'beta' = 1 is not known"),
        ({"rope_scaling": {"type": "linear"}}, "'factor' is missing"),
        ({"partial_rotary_factor": 0.5}, "'partial_rotary_factor' = 0.5 is not supported"),
        ({"rope_interleaved": True}, "'rope_interleaved' = True is not supported"),
    ],
)
def test_refusal_names_the_key_and_its_value(changes, says):
    with pytest.raises(InputError, match=r"^config\.json") as error:
        read("llama", **changes)
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("family", "kind", "key", "value"),
    [
        (gpt2, "gpt2", "scale_attn_by_inverse_layer_idx", True),
        (gpt2, "gpt2", "scale_attn_weights", False),
        (gpt2, "gpt2", "activation_function", "relu"),
        (bert, "bert", "position_embedding_type", "relative_key"),
        (bert, "bert", "is_decoder", True),
        (bert, "bert", "hidden_act", "relu"),
        (gpt_oss, "gpt_oss", "swiglu_alpha", 1.0),
    ],
)
def test_other_mathematics_is_refused_by_name(family, kind, key, value):
    with pytest.raises(InputError, match=f"'{key}' = .* is not supported"):
        family.config(Keys({**LLAMA, key: value}, "config.json"), kind)


@pytest.mark.parametrize(
    ("family", "kind", "changes", "says"),
    [
        (
            llama,
            "llama",
            {"num_key_value_heads": 3},
            "'num_key_value_heads' must divide 'num_attention_heads', got 3 and 4",
        ),
        (
            llama,
            "llama",
            {"hidden_size": 33},
            "'num_attention_heads' must divide 'hidden_size', got 4 and 33",
        ),
        (llama, "llama", {"rope_scaling": {"type": "linear", "factor": 0.5}}, "'factor' must be >= 1, got 0.5"),
        (gpt2, "gpt2", {"n_head": 5, "n_embd": 32}, "'n_head' must divide 'n_embd', got 5 and 32"),
    ],
)
def test_model_that_cannot_be_is_refused_in_the_words_of_its_file(family, kind, changes, says):
    with pytest.raises(InputError, match=r"^config\.json: ") as error:
        config_from(family.FAMILY, Keys({**LLAMA, **changes}, "config.json"), kind)
    assert says in str(error.value) and "model." not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "context", "kv_heads"),
    [("llama", 2048, 64), ("mistral", 131_072, 8), ("qwen2", 32_768, 32), ("qwen3", 32_768, 32)],
)
def test_keys_that_are_absent_have_the_defaults_of_their_class(kind, context, kv_heads):
    """Those of transformers' config classes; null is as many key/value heads as heads."""
    sizes = {"num_attention_heads": 64, "hidden_size": 128, "sliding_window": None, "head_dim": 2}
    found = read(kind, max_position_embeddings="absent", num_key_value_heads="absent", **sizes)
    assert (found.context, found.N_kv) == (context, kv_heads)
    assert read(kind, num_key_value_heads=None, **sizes).N_kv == 64


def test_bookkeeping_is_ignored():
    plain = read("llama")
    more = {"architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", "use_cache": True, "bos_token_id": 1}
    assert read("llama", **more) == plain


def test_defaults_are_those_of_each_member():
    assert (
        read("mistral", sliding_window=None).attention == "standard"
        and read("mistral").attention == "local:4096"
        and read("mistral", sliding_window=7).attention == "local:7"
    )
    assert (read("qwen2").bias.qkv, read("qwen2").bias.out) == (True, False)
    assert read("qwen3").norm.qk and read("qwen3").H == 128 and not read("llama").norm.qk
    assert not read("llama").output.tied and gpt2.config(Keys({}, ""), "gpt2").output.tied


def test_layer_lists_become_the_shortest_pattern():
    types = ["sliding_attention", "full_attention"] * 2
    changes = {"use_sliding_window": True, "sliding_window": 5, "layer_types": types, "num_hidden_layers": 4}
    assert read("qwen3", **changes).attention == "local:5,standard"
    assert repeating(["a", "b", "a"]) == "a,b" and repeating(["a", "b", "b"]) == "a,b,b" and repeating(["a"] * 3) == "a"


def test_layer_list_of_another_length_is_refused():
    with pytest.raises(InputError, match="for each of 3 layers, got 2"):
        read("qwen3", layer_types=["full_attention"] * 2)


def test_both_spellings_of_rope_are_read():
    old = read("llama", rope_theta=500.0, rope_scaling={"type": "linear", "factor": 4.0})
    new = read("llama", rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0})
    assert old == new and old.rope == RopeConfig(500.0, "linear", 4.0)


def test_written_config_reads_back():
    stretch = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "truncate": False}
    config = read("llama", rope_parameters=stretch, num_key_value_heads=2, attention_bias=True)
    assert llama.config(Keys(llama.to_keys(config, "llama"), ""), "llama") == read(
        "llama", rope_parameters=stretch, num_key_value_heads=2, attention_bias=True, head_dim=8
    )
