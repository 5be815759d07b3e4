"""The random models whose parity is measured: what their configs say, what is saved of them, what they are asked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

T = 80  # tokens of a text


@dataclass(frozen=True)
class Case:
    """A small random model: its class, what its config says, and what it is asked."""

    name: str
    model: str
    config: dict[str, Any] = field(default_factory=dict)
    padding: int = 0  # tokens at the end of the second text that nobody sees
    pair: bool = False  # sentence types for BERT


LLAMA = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "max_position_embeddings": 256,
}
GPT2 = {"n_embd": 48, "n_layer": 3, "n_head": 4, "vocab_size": 96, "n_positions": 128}
BERT = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 96,
    "max_position_embeddings": 128,
}
OSS = LLAMA | {"head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 9}


def _rope(kind: str, **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 500.0, **more}}


_YARN = {"factor": 4.0, "original_max_position_embeddings": 32}
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "factor": 8.0, "original_max_position_embeddings": 32}
_TYPES = ["sliding_attention", "full_attention", "sliding_attention"]
CASES = [
    Case("GPT-2", "GPT2LMHeadModel", GPT2),
    Case("GPT-2, padding", "GPT2LMHeadModel", GPT2, padding=17),
    Case("GPT-2, untied, n_inner 40", "GPT2LMHeadModel", GPT2 | {"tie_word_embeddings": False, "n_inner": 40}),
    Case("Llama, grouped heads", "LlamaForCausalLM", LLAMA),
    Case("Llama, padding", "LlamaForCausalLM", LLAMA, padding=17),
    Case("Llama, tied (SmolLM2)", "LlamaForCausalLM", LLAMA | {"tie_word_embeddings": True}),
    Case("Llama, biases", "LlamaForCausalLM", LLAMA | {"attention_bias": True, "mlp_bias": True}),
    Case("Llama, own head size", "LlamaForCausalLM", LLAMA | {"head_dim": 20}),
    Case("Llama, rope linear", "LlamaForCausalLM", LLAMA | _rope("linear", factor=3.0)),
    Case("Llama, rope llama3", "LlamaForCausalLM", LLAMA | _rope("llama3", **_LLAMA3)),
    Case("Llama, rope yarn", "LlamaForCausalLM", LLAMA | _rope("yarn", **_YARN)),
    Case("Llama, rope yarn, not truncated", "LlamaForCausalLM", LLAMA | _rope("yarn", truncate=False, **_YARN)),
    Case("Mistral, window 13", "MistralForCausalLM", LLAMA | {"sliding_window": 13}),
    Case("Mistral, no window", "MistralForCausalLM", LLAMA | {"sliding_window": None}),
    Case("Qwen2", "Qwen2ForCausalLM", LLAMA),
    Case(
        "Qwen2, window 13 from layer 2 on",
        "Qwen2ForCausalLM",
        LLAMA | {"use_sliding_window": True, "sliding_window": 13, "max_window_layers": 2},
    ),
    Case("Qwen3, QK-norm", "Qwen3ForCausalLM", LLAMA | {"head_dim": 16}),
    Case(
        "Qwen3, layer list",
        "Qwen3ForCausalLM",
        LLAMA | {"head_dim": 16, "use_sliding_window": True, "sliding_window": 7, "layer_types": _TYPES},
    ),
    Case("gpt-oss, sinks, experts, window 9", "GptOssForCausalLM", OSS),
    Case("gpt-oss, padding", "GptOssForCausalLM", OSS, padding=17),
    Case("BERT", "BertModel", BERT),
    Case("BERT, masked-token head", "BertForMaskedLM", BERT),
    Case("BERT, padding and sentence pairs", "BertForMaskedLM", BERT, padding=17, pair=True),
]
FULL_SIZE = Case("GPT-2 small, full size, random", "GPT2LMHeadModel", {})


def make(case: Case, folder: Path, seed: int = 0) -> None:
    """Save a random model of the case; every parameter is drawn, norms and biases too, so that none is invisible."""
    import torch
    import transformers

    torch.manual_seed(seed)
    kind = getattr(transformers, case.model)
    model = kind(kind.config_class(**case.config, attn_implementation="eager"))
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=draw) * (0.1 if p.ndim < 2 else 1.5 / p.shape[-1] ** 0.5))
    model.save_pretrained(folder)
    write_tokenizer(folder, model.config.vocab_size)


def write_tokenizer(folder: Path, size: int) -> None:
    """A tokenizer of `size` words, so that the folder is whole."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    library = Tokenizer(models.WordLevel({f"w{i}": i for i in range(size)}, unk_token="w0"))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    library.save(str(folder / "tokenizer.json"))


def inputs(case: Case, vocab: int, length: int = T) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Tokens [2, T], which of them are text, and sentence types or None."""
    tokens = np.random.default_rng(1).integers(0, vocab, (2, length))
    real = np.ones_like(tokens)
    if case.padding:
        real[1, -case.padding :] = 0
    types = np.broadcast_to(np.arange(length) >= length // 2, tokens.shape).astype(int) if case.pair else None
    return tokens, real, types
