"""GGUF files: the same model as in safetensors, blocks unpacked, metadata read or refused, tokenizers rebuilt."""

import itertools
import json
import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from jattn import interop
from jattn.errors import InputError
from jattn.interop.gguf_tokenizer import piece_merges, tokenizer_json
from jattn.model import assemble

gguf = pytest.importorskip("gguf", reason="needs the library gguf: pip install 'jattn[gguf]'")
KIND = gguf.GGMLQuantizationType
G = "tokenizer.ggml."


def logits(found, length=80):
    tokens = np.random.default_rng(1).integers(0, found.config.vocab_size, (2, length))
    call = jax.jit(lambda parameters, tokens: assemble(found.config, parameters)(tokens))
    return np.asarray(call(found.parameters, jnp.asarray(tokens, jnp.int32)))


def refused(path):
    with pytest.raises(InputError) as error:
        interop.read(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_a_gguf_holds_the_model_of_its_safetensors(tiny, tmp_path, kind):
    model = tiny(kind)
    a = interop.read(model.folder(tmp_path / "hf"))
    b = interop.read(model.gguf(tmp_path / "m.gguf"))
    assert a.config == b.config and a.kind == b.kind
    assert a.parameters.keys() == b.parameters.keys()
    assert all(np.array_equal(a.parameters[n], b.parameters[n]) for n in a.parameters)


def test_logits_are_those_of_the_safetensors_and_need_the_rows_of_q_and_k_in_order(tiny, tmp_path):
    model = tiny()
    wanted = logits(interop.read(model.folder(tmp_path / "hf")))
    assert np.array_equal(logits(interop.read(model.gguf(tmp_path / "m.gguf"))), wanted)
    wrong = logits(interop.read(model.gguf(tmp_path / "wrong.gguf", reorder=False)))
    assert np.abs(wrong - wanted).max() > 0.01 * np.abs(wanted).max()


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["llama", "qwen2"])  # of qwen3 transformers does not read the size of a head
@pytest.mark.filterwarnings("default")
def test_logits_are_those_of_transformers_reading_the_same_gguf(tiny, tmp_path, kind):
    torch = pytest.importorskip("torch")
    pytest.importorskip("accelerate", reason="transformers reads GGUF with accelerate: pip install accelerate")
    from transformers import AutoModelForCausalLM

    file = tiny(kind).gguf(tmp_path / "m.gguf", **{f"{kind}__vocab_size": 262, f"{kind}__attention__key_length": 16})
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=file.name, dtype=torch.float32).eval()
    tokens = np.random.default_rng(1).integers(0, 262, (2, 80))
    with torch.no_grad():
        wanted = theirs(torch.tensor(tokens)).logits.numpy()
    found = logits(interop.read(file))
    # Two float32 computations of two layers: some dozens of roundings of the largest value apart.
    assert np.abs(found - wanted).max() < 100 * np.finfo(np.float32).eps * np.abs(wanted).max()


def test_an_output_layer_of_its_own_is_read(tiny, tmp_path):
    model = tiny()
    model.arrays["lm_head.weight"] = model.arrays["model.embed_tokens.weight"][::-1].copy()
    found = interop.read(model.gguf(tmp_path / "m.gguf"))
    assert not found.config.output.tied
    assert np.array_equal(found.parameters["head.kernel"], model.arrays["lm_head.weight"].T)


def test_blocks_are_unpacked(tiny, tmp_path):
    """Q8_0: scale times 32 signed bytes. Q4_1: scale times 32 half bytes plus a least value, low halves first."""
    draw = np.random.default_rng(2)
    scale, least = np.float16(0.125), np.float16(-0.75)
    signed = draw.integers(-127, 128, (32, 2, 32), np.int8)  # v_proj is [32, 64]
    eight = np.concatenate([np.full((32, 2, 1), scale).view(np.uint8), signed.view(np.uint8)], -1).reshape(32, -1)
    quarter = draw.integers(0, 16, (64, 3, 32), np.uint8)  # down_proj is [64, 96]
    head = np.broadcast_to(np.array([scale, least]).view(np.uint8), (64, 3, 4))
    four = np.concatenate([head, quarter[..., :16] | quarter[..., 16:] << 4], -1).reshape(64, -1)
    half = draw.normal(size=(96, 64)).astype(np.float16)
    short = draw.normal(size=(96, 64)).astype(np.float32).view(np.uint32) >> 16
    raw = {
        "blk.0.attn_v.weight": (eight, KIND.Q8_0),
        "blk.0.ffn_down.weight": (four, KIND.Q4_1),
        "blk.0.ffn_up.weight": (half, KIND.F16),
        "blk.0.ffn_gate.weight": (short.astype(np.uint16).view(np.uint8), KIND.BF16),
    }
    found = interop.read(tiny().gguf(tmp_path / "m.gguf", raw=raw)).parameters
    assert np.array_equal(found["blocks.0.attention.v.kernel"].T, 0.125 * signed.reshape(32, 64))
    assert np.array_equal(found["blocks.0.mlp.down.kernel"].T, 0.125 * quarter.reshape(64, 96) - 0.75)
    assert np.array_equal(found["blocks.0.mlp.up.kernel"].T, half.astype(np.float32))
    assert np.array_equal(found["blocks.0.mlp.gate.kernel"].T, (short << 16).astype(np.uint32).view(np.float32))


def test_a_scale_that_is_no_number_is_refused(tiny, tmp_path):
    blocks = np.zeros((32, 2, 34), np.uint8)
    blocks[5, 1, :2] = np.array(np.nan, np.float16).reshape(1).view(np.uint8)
    file = tiny().gguf(tmp_path / "m.gguf", raw={"blk.0.attn_v.weight": (blocks.reshape(32, -1), KIND.Q8_0)})
    assert "layers.0.self_attn.v_proj.weight holds a value that is not finite" in refused(file)


def llama3_divisors(theta, factor, original=8192):
    """By wave length: short ones stay, long ones are stretched, between them a mixture in 1 / length."""
    found = []
    for i in range(8):
        length = 2 * math.pi * theta ** (2 * i / 16)
        smooth = min(max((original / length - 1) / (4 - 1), 0), 1)
        found.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(found, np.float32)


@pytest.mark.parametrize("factor", [8, 32])
def test_stored_frequencies_are_those_of_llama_3(tiny, tmp_path, factor):
    divisors = llama3_divisors(500_000.0, factor)
    assert len(set(divisors.tolist())) > 2  # some stay, some are mixed, some are stretched
    raw = {"rope_freqs.weight": (divisors, KIND.F32)}
    found = interop.read(tiny().gguf(tmp_path / "m.gguf", raw=raw, llama__rope__freq_base=500_000.0))
    assert (found.config.rope.scaling, found.config.rope.factor) == ("llama3", factor)


def test_stored_frequencies_of_another_rule_are_refused(tiny, tmp_path):
    raw = {"rope_freqs.weight": (llama3_divisors(500_000.0, 16), KIND.F32)}
    message = refused(tiny().gguf(tmp_path / "m.gguf", raw=raw, llama__rope__freq_base=500_000.0))
    assert "rope_freqs.weight" in message


def test_metadata_become_the_config(tiny, tmp_path):
    given = {
        "llama__attention__sliding_window": 13,
        "llama__rope__scaling__type": "yarn",
        "llama__rope__scaling__factor": 4.0,
        "llama__rope__scaling__original_context_length": 32,
        "llama__rope__dimension_count": 16,
        "llama__rope__freq_base": 500.0,
        "llama__vocab_size": 262,
        "llama__expert_count": 0,
    }
    config = interop.read(tiny().gguf(tmp_path / "m.gguf", **given)).config
    assert (config.attention, config.rope.theta, config.H, config.N_kv) == ("local:13", 500.0, 16, 2)
    assert (config.rope.scaling, config.rope.factor, config.rope.original_context) == ("yarn", 4.0, 32)
    linear = {"llama__rope__scaling__type": "linear", "llama__rope__scaling__factor": 3.0}
    rope = interop.read(tiny().gguf(tmp_path / "linear.gguf", **linear)).config.rope
    assert (rope.scaling, rope.factor) == ("linear", 3.0)


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("general.architecture", "gemma", "supported: llama, qwen2, qwen3"),
        ("general.type", "adapter", "only 'model'"),
        ("llama.expert_count", 8, "'llama.expert_count' = 8"),
        ("llama.logit_scale", 2.0, "'llama.logit_scale' = 2.0 is not known"),
        ("llama.rope.scaling.type", "longrope", "'longrope' is not supported"),
        ("llama.rope.dimension_count", 8, "'llama.rope.dimension_count' = 8"),
        ("llama.attention.value_length", 32, "'llama.attention.value_length' = 32"),
        ("llama.attention.head_count_kv", [2, 2], "is a list"),
        ("llama.block_count", None, "'llama.block_count' is missing"),
        ("llama.block_count", 3, "model.layers.2.input_layernorm.weight"),
        ("llama.embedding_length", 32, "has shape"),
        ("llama.embedding_length", 1 << 30, "1,073,741,824"),
        ("adapter.lora.alpha", 1.0, "'adapter.lora.alpha'"),
        ("split.count", 2, "'split.count' = 2"),
        ("tokenizer.ggml.model", "t5", "'t5' is not supported; supported: gpt2, llama"),
        ("tokenizer.ggml.pre", "tekken", "'tekken'"),
        ("tokenizer.ggml.pre", None, "tokenizer.ggml.pre is missing"),
        ("tokenizer.ggml.tokens", None, "tokenizer.ggml.tokens"),
        ("tokenizer.ggml.merges", ["h e l"], "entry 0 is no pair"),
        ("tokenizer.ggml.bos_token_id", 9999, "tokenizer.ggml.bos_token_id = 9999"),
        ("tokenizer.ggml.lowercase", True, "'tokenizer.ggml.lowercase'"),
    ],
)
def test_what_is_not_known_is_refused_by_name(tiny, tmp_path, key, value, said):
    more = {"tokenizer__ggml__add_bos_token": True} if key.endswith("bos_token_id") else {}
    assert said in refused(tiny().gguf(tmp_path / "m.gguf", **{key.replace(".", "__"): value}, **more))


def test_a_tensor_that_is_not_known_is_refused_by_name(tiny, tmp_path):
    file = tiny().gguf(tmp_path / "m.gguf", raw={"blk.0.attn_sinks.weight": (np.ones(4, np.float32), KIND.F32)})
    assert "blk.0.attn_sinks.weight is not known" in refused(file)


def test_without_the_library_the_message_says_how_to_install_it(tiny, tmp_path, monkeypatch):
    file = tiny().gguf(tmp_path / "m.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert "pip install gguf" in refused(file)


def test_the_header_is_that_of_the_library(tiny, tmp_path):
    from jattn.interop.gguf_header import read_header

    file = tiny("qwen3").gguf(tmp_path / "m.gguf", qwen3__rope__freq_base=500.0, general__tags=["a", "é", ""])
    mine, theirs = read_header(file.read_bytes(), "m"), gguf.GGUFReader(file)
    own = {n: f.contents() for n, f in theirs.fields.items() if not n.startswith("GGUF.")}
    assert mine.values == own
    assert {n: (t.type, t.start, t.size, t.shape) for n, t in mine.tensors.items()} == {
        t.name: (t.tensor_type, t.data_offset, t.n_bytes, tuple(t.shape.tolist()[::-1])) for t in theirs.tensors
    }


def byte_level(tiny, tmp_path, **keys):
    return Tokenizer.from_str(interop.read(tiny().gguf(tmp_path / "m.gguf", **keys)).tokenizer)


def test_special_tokens_stay_whole_and_merges_apply(tiny, tmp_path):
    tokenizer = byte_level(tiny, tmp_path)
    text = "hello <|user|>hell<|end|>"
    assert tokenizer.encode(text).tokens == ["hello", "Ġ", "<|user|>", "hell", "<|end|>"]
    assert tokenizer.decode(tokenizer.encode(text).ids) == "hello <|user|>hell"  # only <|end|> is special


@pytest.mark.parametrize(
    "pre, text, pieces",
    [
        ("gpt-2", "we'll go  42\n\n 7", ["we", "'ll", " go", " ", " 42", "\n\n", " 7"]),
        ("smollm", "we'll go  42\n\n 7", ["we", "'ll", " go", "  ", "4", "2", "\n\n ", "7"]),
        ("llama-bpe", "WE'LL go  12345\n\n 7", ["WE", "'LL", " go", " ", " ", "123", "45", "\n\n", " ", "7"]),
        ("qwen2", "WE'LL go  12345\n\n 7", ["WE", "'LL", " go", " ", " ", *"12345", "\n\n", " ", "7"]),
        ("default", "a+b=1234 x", ["a", "+", "b", "=", "123", "4", " x"]),
    ],
)
def test_text_is_split_as_the_file_says(tiny, tmp_path, pre, text, pieces):
    keys = {"tokenizer__ggml__add_bos_token": False, "tokenizer__ggml__pre": pre}
    split = byte_level(tiny, tmp_path, **keys).pre_tokenizer.pre_tokenize_str(text)
    assert [text[a:b] for _, (a, b) in split] == pieces


def test_the_first_token_is_put_in_front_where_the_file_says(tiny, tmp_path):
    assert byte_level(tiny, tmp_path).encode("he").ids == [258]
    assert byte_level(tiny, tmp_path, tokenizer__ggml__add_bos_token=True).encode("he").ids == [256, 258]
    assert byte_level(tiny, tmp_path, tokenizer__ggml__pre="llama-bpe").encode("he").ids == [256, 258]


LETTERS = "abc"
PIECES = ["ab", "bc", "abc", "▁a", "▁ab", "cc", "▁▁", "bca", "ccab", "aa", "aaa"]


def sentencepiece(**more):
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "▁", *LETTERS, *PIECES]
    types = [2, 3, 3, *[6] * 256, *[1] * (1 + len(LETTERS) + len(PIECES))]
    scores = [0.0] * 263 + [-float(i) for i in range(len(PIECES))]
    values = {"model": "llama", "tokens": tokens, "token_type": types, "scores": scores, "bos_token_id": 1}
    values |= {"unknown_token_id": 0, "add_bos_token": False} | more
    return tokens, {G + n: v for n, v in values.items() if v is not None}


def joined(text):
    """Join the neighbours whose piece scores highest, the leftmost of them first, until none is a piece."""
    parts = list(text)
    while True:
        pairs = [(PIECES.index(a + b), i) for i, (a, b) in enumerate(itertools.pairwise(parts)) if a + b in PIECES]
        if not pairs:
            return parts
        _, i = min(pairs)
        parts[i : i + 2] = ["".join(parts[i : i + 2])]


LIBRARY = Tokenizer.from_str(tokenizer_json(sentencepiece()[1], "m"))


@given(st.text(LETTERS + " ", min_size=1, max_size=24))
def test_pieces_are_joined_by_score(text):
    assert LIBRARY.encode(text).tokens == joined("▁" + text.replace(" ", "▁"))
    assert LIBRARY.decode(LIBRARY.encode(text).ids) == text


def test_sentencepiece_falls_back_to_bytes_and_puts_a_space_and_the_first_token_in_front():
    assert LIBRARY.encode("é").tokens == ["▁", "<0xC3>", "<0xA9>"]
    assert LIBRARY.decode(LIBRARY.encode("aé b").ids) == "aé b"
    bare = Tokenizer.from_str(tokenizer_json(sentencepiece(add_space_prefix=False)[1], "m"))
    assert bare.encode("ab").tokens == ["ab"]
    front = Tokenizer.from_str(tokenizer_json(sentencepiece(add_bos_token=None)[1], "m"))
    assert front.encode("ab").tokens == ["<s>", "▁ab"]


def test_a_piece_far_too_long_is_refused_quickly():
    with pytest.raises(InputError, match="a piece of 1,000,000 characters"):
        piece_merges(["a" * 1_000_000], [1], [0.0], "m")


def test_tokenizers_are_json(tiny, tmp_path):
    assert json.loads(interop.read(tiny().gguf(tmp_path / "m.gguf")).tokenizer)["model"]["type"] == "BPE"
