"""GGUF files of the Llama family as a source of arrays under Hugging Face's names; blocks of few bits are unpacked.

Source: ggml's docs/gguf.md for keys and names, llama.cpp's converter for what it does to queries and keys.
"""

import mmap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jattn.config import ModelConfig, RopeConfig
from jattn.errors import InputError
from jattn.interop import llama
from jattn.interop.building import Imported, build
from jattn.interop.config_keys import Keys, shown
from jattn.interop.family import config_from
from jattn.interop.gguf_header import AGAIN, Header, Stored, library, read_header
from jattn.interop.gguf_tokenizer import token_list, tokenizer_json
from jattn.interop.special_tokens import from_gguf
from jattn.positions import frequencies

_ARCH = "general.architecture"
ARCHITECTURES = ("llama", "qwen2", "qwen3")  # Mistral's files say llama
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
STRETCH = "rope_freqs.weight"  # what Llama 3.1's rotary frequencies are divided by
HARMLESS = ("general.", "tokenizer.", "quantize.")  # the tokenizer's keys are read elsewhere


def read_gguf(path: Path, dtype: str) -> Imported:
    """The model in a GGUF file, its blocks unpacked to that type of number.

    Raises InputError for a file that is damaged, an architecture, a key, a tensor or a tokenizer that is not known.
    """
    library()
    data = _mapped(path)
    header = read_header(data, str(path))
    tokens = token_list(header.values, str(path))
    kind, config = gguf_config(header, str(path), len(tokens))
    # llama.cpp rotates neighbours (2i, 2i + 1), so the converter reorders the rows of Llama's queries and keys.
    heads = {"q_proj": config.heads, "k_proj": config.N_kv} if header.values[_ARCH] == "llama" else {}
    source = GgufFile(data, header, str(path), heads)
    if source.stretch is not None:
        config = replace(config, rope=_stretch(source.stretch, config, str(path)))
    if len(tokens) > config.vocab_size:
        raise InputError(f"{path}: {len(tokens):,} tokens, but the model has {config.vocab_size:,}; {AGAIN}")
    tokenizer = tokenizer_json(header.values, str(path))
    return build(source, llama.FAMILY, config, tokenizer, from_gguf(header.values, tokens), kind, dtype, [path])


class GgufFile:
    """The tensors of a file under Hugging Face's names; `heads` are those whose rows are put back in order, by name."""

    def __init__(self, data: Any, header: Header, path: str, heads: dict[str, int]):
        self.path = path
        self._data, self._heads = data, heads
        self._stored = {_name(n, path): t for n, t in header.tensors.items() if n != STRETCH}
        self.shapes = {name: t.shape for name, t in self._stored.items()}
        apart = header.tensors.get(STRETCH)
        self.stretch = None if apart is None else self._unpacked(STRETCH, apart)

    def read(self, name: str) -> np.ndarray:
        """One array in float32."""
        array = self._unpacked(name, self._stored[name])
        heads = self._heads.get(name.split(".")[-2])
        return array if heads is None else halves(array, heads)

    def _unpacked(self, name: str, t: Stored) -> np.ndarray:
        raw = np.frombuffer(self._data, np.uint8, t.size, t.start).reshape(*t.shape[:-1], -1)
        try:
            with np.errstate(all="ignore"):  # damaged scales: found by whoever checks that values are finite
                return library().dequantize(raw, t.type)
        except NotImplementedError:
            raise InputError(f"{self.path}: {name} is stored as {t.type.name}, which is not read") from None


def halves(array: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head from pairs of neighbours (2i, 2i + 1) to pairs of halves (i, i + H/2)."""
    rows = array.reshape(heads, -1, 2, *array.shape[1:])
    return rows.swapaxes(1, 2).reshape(array.shape)


def gguf_config(header: Header, where: str, tokens: int) -> tuple[str, ModelConfig]:
    """The kind of model in Hugging Face's words, and its config from the metadata of a file.

    Raises InputError naming a key that is missing, of a value that is not supported, or not known.
    """
    values = header.values
    architecture = values.get(_ARCH)
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise InputError(f"{where}: {_ARCH} {shown(architecture)} is not supported; supported: {known}")
    own = Keys({k: v for k, v in values.items() if not k.startswith(HARMLESS)}, where)
    for name, value in own.values.items():
        if isinstance(value, list):
            raise InputError(f"{where}: {name} = {shown(value)} is a list; one value for all layers is supported")
    own.only("split.count", 0, 1)
    for name in ("split.no", "split.tensors.count"):
        own.values.pop(name, None)
    if (sort := values.get("general.type", "model")) != "model":
        raise InputError(f"{where}: general.type {shown(sort)} is not supported, only 'model'")

    def get(name: str, kind: type, *default: Any) -> Any:
        return own(f"{architecture}.{name}", kind, *default)

    def only(name: str, *allowed: Any) -> None:
        own.only(f"{architecture}.{name}", *allowed)

    layers, context = get("block_count", int), get("context_length", int)
    width, heads = get("embedding_length", int), get("attention.head_count", int)
    size = get("attention.key_length", int, max(width // heads, 1))
    keys: dict[str, Any] = {
        "num_hidden_layers": layers,
        "max_position_embeddings": context,
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": get("attention.head_count_kv", int, heads),
        "head_dim": size,
        "intermediate_size": get("feed_forward_length", int),
        "rms_norm_eps": get("attention.layer_norm_rms_epsilon", float),
        "rope_theta": get("rope.freq_base", float, 10_000.0),
        "vocab_size": get("vocab_size", int, tokens),
        "tie_word_embeddings": "output.weight" not in header.tensors,
        "rope_scaling": _scaling(get, only, context),
    }
    only("attention.value_length", size)
    only("rope.dimension_count", size)
    only("attention.causal", True)
    only("expert_count", 0)
    only("expert_used_count", 0)
    only("tensor_data_layout", "Meta AI original pth")
    kind = architecture
    if kind == "llama" and (window := get("attention.sliding_window", int, None)):
        kind, keys["sliding_window"] = "mistral", window
    if kind in ("llama", "qwen3"):
        keys["attention_bias"] = "blk.0.attn_q.bias" in header.tensors
    if kind == "llama":
        keys["mlp_bias"] = "blk.0.ffn_up.bias" in header.tensors
    own.done()
    left = Keys(keys, where)
    config = config_from(llama.FAMILY, left, kind)
    left.done()
    return kind, config


def _scaling(get: Any, only: Any, context: int) -> dict[str, Any]:
    """The stretch of the rotary frequencies in Hugging Face's words; llama.cpp takes a factor alone for linear."""
    old = get("rope.scale_linear", float, 0.0)
    factor = get("rope.scaling.factor", float, old)
    kind = get("rope.scaling.type", str, "linear" if factor else "none")
    only("rope.scaling.finetuned", True, False)
    only("rope.scaling.attn_factor", 1.0)
    original = get("rope.scaling.original_context_length", int, context)
    if kind == "none" or (kind == "linear" and not factor):
        return {}
    if kind == "linear":
        return {"rope_type": "linear", "factor": factor}
    if kind != "yarn":
        return {"rope_type": kind}  # refused by name where rope types are known
    only("rope.scaling.yarn_ext_factor", 1.0)
    only("rope.scaling.yarn_attn_factor", 1.0)
    return {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": original,
        "beta_fast": get("rope.scaling.yarn_beta_fast", float, 32.0),
        "beta_slow": get("rope.scaling.yarn_beta_slow", float, 1.0),
    }


def _stretch(divisors: np.ndarray, config: ModelConfig, where: str) -> RopeConfig:
    """The stretch whose divisors a file stores: that of Llama 3.1 (factor 8) or Llama 3.2 (factor 32)."""
    half = config.H // 2
    if config.rope.scaling == "none" and divisors.shape == (half,):
        with np.errstate(all="ignore"):
            plain, _ = frequencies(half, config.rope)
            for factor in (8.0, 32.0):
                stretch = RopeConfig(config.rope.theta, "llama3", factor, 8192, 1.0, 4.0)
                # The converter computes them in float32, so not to the last digit.
                if np.allclose(divisors, plain / frequencies(half, stretch)[0], rtol=1e-4, atol=0):
                    return stretch
    raise InputError(f"{where}: {STRETCH} is not that of Llama 3.1 or 3.2, so the rotary frequencies are not known")


def _name(stored: str, path: str) -> str:
    """Hugging Face's name of a tensor."""
    stem, _, part = stored.rpartition(".")
    layer = ""
    if stem.startswith("blk."):
        _, number, stem = stem.split(".", 2) if stem.count(".") >= 2 else ("", "", "")
        layer = f"model.layers.{number}."
    if stem not in NAMES or bool(layer) == NAMES[stem].startswith(("model.", "lm_head")):
        raise InputError(f"{path}: {stored} is not known; the model would be wrong without it")
    return f"{layer}{NAMES[stem]}.{part}"


def _mapped(path: Path) -> Any:
    """The bytes of a file, without reading them."""
    try:
        with path.open("rb") as opened:
            return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise InputError(f"import: {str(path)!r} does not exist") from None
    except (OSError, ValueError) as error:  # an empty file raises ValueError
        raise InputError(f"{path} cannot be read as GGUF ({error})") from None
