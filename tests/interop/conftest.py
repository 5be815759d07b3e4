"""A small random model of the Llama family, written as a Hugging Face folder and as a GGUF file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WIDTH, HIDDEN, LAYERS, HEADS, KV_HEADS, SIZE = 64, 96, 2, 4, 2, 16
EPS = 2.0**-16  # GGUF stores it in float32, so one that float32 holds
WORDS = ["<|end|>", "<|user|>", "he", "ll", "hell", "hello"]
MERGES = ["h e", "l l", "he ll", "hell o"]


def byte_letters() -> list[str]:
    """The letter that byte-level BPE writes for each byte: itself if it can be printed, else one from 256 on."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in kept else chr(next(others)) for b in range(256)]


TOKENS = byte_letters() + WORDS
VOCAB = len(TOKENS)


@dataclass
class Tiny:
    """Arrays under Hugging Face's names, and both ways to save them; tests change what they are about."""

    kind: str = "llama"
    layers: int = LAYERS
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        draw = np.random.default_rng(0)

        def put(name: str, *shape: int) -> None:
            scale = shape[-1] ** -0.5 if len(shape) > 1 else 0.3
            self.arrays[name] = (draw.normal(size=shape) * scale + (name.endswith("norm.weight"))).astype(np.float32)

        put("model.embed_tokens.weight", VOCAB, WIDTH)
        put("model.norm.weight", WIDTH)
        for i in range(self.layers):
            at = f"model.layers.{i}"
            put(f"{at}.input_layernorm.weight", WIDTH)
            put(f"{at}.post_attention_layernorm.weight", WIDTH)
            for n, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
                put(f"{at}.self_attn.{n}_proj.weight", heads * SIZE, WIDTH)
                if self.kind == "qwen2":
                    put(f"{at}.self_attn.{n}_proj.bias", heads * SIZE)
            put(f"{at}.self_attn.o_proj.weight", WIDTH, HEADS * SIZE)
            if self.kind == "qwen3":
                put(f"{at}.self_attn.q_norm.weight", SIZE)
                put(f"{at}.self_attn.k_norm.weight", SIZE)
            put(f"{at}.mlp.gate_proj.weight", HIDDEN, WIDTH)
            put(f"{at}.mlp.up_proj.weight", HIDDEN, WIDTH)
            put(f"{at}.mlp.down_proj.weight", WIDTH, HIDDEN)

    def folder(self, path: Path, **keys: Any) -> Path:
        """Save a Hugging Face folder."""
        from safetensors.numpy import save_file
        from tokenizers import Tokenizer, models

        path.mkdir(exist_ok=True)
        config = {
            "model_type": self.kind,
            "hidden_size": WIDTH,
            "intermediate_size": HIDDEN,
            "num_hidden_layers": self.layers,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS,
            "head_dim": SIZE,
            "vocab_size": VOCAB,
            "max_position_embeddings": 128,
            "rms_norm_eps": EPS,
            "tie_word_embeddings": True,
        }
        (path / "config.json").write_text(json.dumps(config | keys))
        vocab = {token: i for i, token in enumerate(TOKENS)}
        Tokenizer(models.BPE(vocab, [tuple(m.split()) for m in MERGES])).save(str(path / "tokenizer.json"))
        save_file(self.arrays, path / "model.safetensors")
        return path

    def gguf(self, path: Path, *, reorder: bool = True, raw: dict[str, Any] | None = None, **keys: Any) -> Path:
        """Save a GGUF file. `keys` (dots as __) replace metadata, None drops; `raw`: tensors as (bytes, type)."""
        import gguf

        arch = self.kind
        values = {
            f"{arch}.block_count": self.layers,
            f"{arch}.context_length": 128,
            f"{arch}.embedding_length": WIDTH,
            f"{arch}.feed_forward_length": HIDDEN,
            f"{arch}.attention.head_count": HEADS,
            f"{arch}.attention.head_count_kv": KV_HEADS,
            f"{arch}.attention.layer_norm_rms_epsilon": EPS,
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "smollm",
            "tokenizer.ggml.tokens": TOKENS,
            "tokenizer.ggml.token_type": [1] * 256 + [3, 4] + [1] * 4,
            "tokenizer.ggml.merges": MERGES,
            "tokenizer.ggml.bos_token_id": 256,
            "general.architecture": arch,
        } | {name.replace("__", "."): value for name, value in keys.items()}
        writer = gguf.GGUFWriter(path, values.pop("general.architecture"))
        for name, value in values.items():
            if value is not None:
                self._put(writer, name, value)
        for name, array in self.arrays.items():
            if gguf_name(name) not in (raw or {}):
                heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(name.split(".")[-2])
                if heads and arch == "llama" and reorder:
                    writer.add_tensor(gguf_name(name), neighbours(array, heads))
                else:
                    writer.add_tensor(gguf_name(name), array)
        for name, (blocks, kind) in (raw or {}).items():
            writer.add_tensor(name, blocks, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    @staticmethod
    def _put(writer: Any, name: str, value: Any) -> None:
        match value:
            case bool():
                writer.add_bool(name, value)
            case int():
                writer.add_uint32(name, value)
            case float():
                writer.add_float32(name, value)
            case str():
                writer.add_string(name, value)
            case _:
                writer.add_array(name, value)


def neighbours(array: np.ndarray, heads: int) -> np.ndarray:
    """Row i of a head's first half to row 2i, row i of its second to row 2i + 1: what llama.cpp's converter does."""
    size = len(array) // heads
    order = [h * size + i + half * size // 2 for h in range(heads) for i in range(size // 2) for half in (0, 1)]
    return array[order]


def gguf_name(name: str) -> str:
    """GGUF's name of a tensor."""
    for theirs, short in (
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers", "blk"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.", "attn_"),
        ("mlp.", "ffn_"),
        ("_proj", ""),
    ):
        name = name.replace(theirs, short)
    return name


@pytest.fixture
def tiny():
    """The small model, by kind: llama, qwen2, qwen3."""
    return Tiny
