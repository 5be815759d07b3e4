"""Two things that the table of families cannot show: reading with a cache, and the row order of GGUF files.

`python benchmarks/parity.py` prints both after that table. Relative differences are the largest over the largest value,
as there.
"""

import json
import tempfile
from functools import reduce
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import parity_models
from parity_errors import difference, errors, largest, ours, rms, their_model, theirs

from jattn import interop
from jattn.decode import empty_cache, step
from jattn.model import assemble

CACHED = (
    "GPT-2",
    "Llama, grouped heads",
    "Llama, rope yarn",
    "Mistral, window 13",
    "Qwen3, layer list",
    "gpt-oss, sinks, experts, window 9",
)
CHUNKS = (72, *[1] * 8)  # a prompt, longer than any window, then token by token


def cached(path: Path, dtype: str, tokens: np.ndarray) -> np.ndarray:
    """Logits of the imported model, read in chunks with its cache."""
    found = interop.read(path, dtype=dtype)
    call = jax.jit(lambda parameters, *given: step(assemble(found.config, parameters), *given))
    caches, start, parts = empty_cache(found.config, len(tokens), tokens.shape[1]), 0, []
    for size in CHUNKS:
        piece = jnp.asarray(tokens[:, start : start + size])
        logits, caches = call(found.parameters, piece, caches, jnp.int32(start))
        parts.append(np.asarray(logits, np.float64))
        start += size
    return np.concatenate(parts, 1)


def their_cached(path: Path, dtype: str, tokens: np.ndarray) -> np.ndarray:
    """Logits of transformers, read in the same chunks with its own cache."""
    import torch

    with their_model(path, dtype) as model, torch.no_grad():
        cache, start, parts = None, 0, []
        for size in CHUNKS:
            out = model(torch.tensor(tokens[:, start : start + size]), past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            parts.append(out.logits.double().numpy())
            start += size
    return np.concatenate(parts, 1)


def measure_cache(case: Any) -> dict[str, float]:
    """Differences of the logits that a cache gives, at the tokens after the prompt, from those without and theirs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        parity_models.make(case, path)
        vocab = json.loads((path / "config.json").read_text()).get("vocab_size", 50257)
        tokens, real, _ = parity_models.inputs(case, vocab)
        whole, pieces = theirs(path, "float64", tokens, real).logits, their_cached(path, "float64", tokens)
        single, their_single = cached(path, "float32", tokens), their_cached(path, "float32", tokens)
        with jax.enable_x64(True):
            mine, own = cached(path, "float64", tokens), ours(path, "float64", tokens, real).logits
    real[:, : CHUNKS[0]] = 0  # the prompt is read as any text
    off = lambda a, b: difference(a, b, real, largest)
    size = lambda a: difference(a, pieces, real, rms)
    return {
        "from ours without": off(mine, own),
        "from theirs without": off(mine, whole),
        "from theirs with": off(mine, pieces),
        "ours, float32": size(single),
        "theirs, float32": size(their_single),
    }


def cache_table() -> str:
    """Logits with a cache: float64 differences, and float32 errors of both caches."""
    cases = [c for c in parity_models.CASES if c.name in CACHED]
    rows = [(c.name, measure_cache(c)) for c in cases]
    lines = ["| logits with a cache | " + " | ".join(rows[0][1]) + " |", "|---|" + "---|" * len(rows[0][1])]
    for name, found in rows:
        shown = [f"{v:.1e}" if "float32" in what else f"{v:.0e}" for what, v in found.items()]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


GGUF_KEYS = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
}
GGUF_NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers": "blk",
}


def write_gguf(folder: Path, file: Path, *, reorder: bool = True) -> None:
    """A Llama's folder as a GGUF file of float32; `reorder` its queries and keys as llama.cpp's converter does."""
    import gguf
    from safetensors.numpy import load_file

    told = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(file, "llama")
    for name, key in GGUF_KEYS.items():
        writer.add_uint32(f"llama.{name}", told[key])
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", told["rms_norm_eps"])
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_string("tokenizer.ggml.pre", "smollm")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "ab", *(f"w{i}" for i in range(3, told["vocab_size"]))])
    writer.add_array("tokenizer.ggml.merges", ["a b"])
    heads = {"q_proj": told["num_attention_heads"], "k_proj": told["num_key_value_heads"]}
    for name, array in load_file(folder / "model.safetensors").items():
        count = heads.get(name.split(".")[-2])
        rows = neighbours(array, count) if reorder and count else array
        short = reduce(lambda written, names: written.replace(*names), GGUF_NAMES.items(), name)
        writer.add_tensor(short, np.ascontiguousarray(rows))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def neighbours(array: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head from pairs of halves (i, i + H/2) to pairs of neighbours (2i, 2i + 1)."""
    half = len(array) // heads // 2
    order = [h * 2 * half + i + part * half for h in range(heads) for i in range(half) for part in (0, 1)]
    return array[order]


def measure_row_order(reorder: bool) -> dict[str, list[float]]:
    """float64 errors of a random Llama read from a GGUF file, against transformers on the folder it was made of."""
    case = next(c for c in parity_models.CASES if c.name == "Llama, grouped heads")
    with tempfile.TemporaryDirectory() as place:
        folder, file = Path(place, "model"), Path(place, "model.gguf")
        # A GGUF file holds the epsilon in float32, so one that float32 holds.
        parity_models.make(parity_models.Case(case.name, case.model, case.config | {"rms_norm_eps": 2.0**-16}), folder)
        write_gguf(folder, file, reorder=reorder)
        tokens, real, _ = parity_models.inputs(case, case.config["vocab_size"])
        exact = theirs(folder, "float64", tokens, real)
        with jax.enable_x64(True):
            return errors(ours(file, "float64", tokens, real), exact, real)


def row_order_table() -> str:
    """With the row order of llama.cpp's converter, and without it, which is what not undoing it would look like."""
    lines = [
        f"| the same Llama as GGUF, T = {parity_models.T} | logits | hidden states | attention |",
        "|---|---|---|---|",
    ]
    names = {"rows in the converter's order": True, "rows left as they were (not a real file)": False}
    for name, reorder in names.items():
        shown = " | ".join(f"{max(v):.0e}" for v in measure_row_order(reorder).values())
        lines.append(f"| {name} | {shown} |")
    return "\n".join(lines)
