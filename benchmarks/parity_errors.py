"""What an imported model and transformers' make of the same tokens, and how far apart they are.

Axes: B texts, T tokens, D width, N heads, L layers.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jattn import interop
from jattn.model import assemble


@contextlib.contextmanager
def double_torch() -> Iterator[None]:
    """Inside, torch code that asks for float32 gets float64: transformers' own formulas at full precision."""
    import torch

    names = ("float", "float32")
    before = {n: getattr(torch, n) for n in names}
    method = torch.Tensor.float
    default = torch.get_default_dtype()
    try:
        for n in names:
            setattr(torch, n, torch.float64)
        torch.Tensor.float = torch.Tensor.double
        torch.set_default_dtype(torch.float64)
        yield
    finally:
        for n, kind in before.items():
            setattr(torch, n, kind)
        torch.Tensor.float = method
        torch.set_default_dtype(default)


@dataclass(frozen=True)
class Outputs:
    """Logits (or last hidden states), hidden states [L + 1] and attention maps [L]; only what texts really hold."""

    logits: np.ndarray
    hidden: list[np.ndarray]
    attention: list[np.ndarray]


@contextlib.contextmanager
def their_model(path: Path, dtype: str) -> Iterator[Any]:
    """transformers' model, in float32 or float64 throughout while the context lasts."""
    import torch
    import transformers

    where = {"gguf_file": path.name} if path.suffix == ".gguf" else {}
    folder = path.parent if where else path
    config = transformers.AutoConfig.from_pretrained(folder, **where)
    loader = getattr(transformers, (config.architectures or ["AutoModelForCausalLM"])[0])
    if config.model_type == "gpt_oss":
        config._experts_implementation = "eager"  # the fast one knows no float64; it has no public name
    model = loader.from_pretrained(
        folder, config=config, attn_implementation="eager", dtype=torch.float32, **where
    ).eval()
    with double_torch() if dtype == "float64" else contextlib.nullcontext():
        if dtype == "float64":
            model = model.double()
            for module in model.modules():
                if hasattr(module, "inv_freq"):  # made in float32 when the model was
                    module.inv_freq = type(module)(config=model.config).inv_freq
        yield model


def theirs(path: Path, dtype: str, tokens, real, types=None) -> Outputs:
    """What transformers makes of the tokens, in float32 or float64 throughout."""
    import torch

    with their_model(path, dtype) as model:
        ask = {"input_ids": torch.tensor(tokens), "attention_mask": torch.tensor(real)}
        if types is not None:
            ask["token_type_ids"] = torch.tensor(types)
        with torch.no_grad():
            out = model(**ask, output_hidden_states=True, output_attentions=True)
        logits = out.logits if hasattr(out, "logits") else out.last_hidden_state
        to = lambda x: x.detach().double().numpy()
        return Outputs(to(logits), [to(h) for h in out.hidden_states], [to(a) for a in out.attentions])


def ours(path: Path, dtype: str, tokens, real, types=None) -> Outputs:
    """What the imported model makes of them."""
    found = interop.read(path, dtype=dtype)
    config = found.config

    def observe(seen):
        return seen["resid_pre"], seen["resid_post"], seen.weights()

    @jax.jit
    def call(parameters, tokens, documents, types):
        model = assemble(config, parameters)
        logits, seen = model(tokens, token_types=types, documents=documents, observe=observe)
        last = seen[1][-1]
        return logits, seen, last if model.final_norm is None else model.final_norm(last)

    padded = None if real.all() else jnp.asarray(1 - real)
    logits, (before, _, weights), last = call(
        found.parameters, jnp.asarray(tokens), padded, None if types is None else jnp.asarray(types)
    )
    to = lambda x: np.asarray(x, np.float64)
    return Outputs(to(logits), [*map(to, before), to(last)], [to(w) for w in weights])


def largest(x: np.ndarray) -> float:
    """The largest magnitude."""
    return float(np.abs(x).max())


def rms(x: np.ndarray) -> float:
    """The root of the mean square: for float32, where the largest of many roundings is a matter of luck."""
    return float(np.sqrt(np.mean(x**2)))


def difference(a: np.ndarray, b: np.ndarray, real: np.ndarray, size: Any, rows: int = 1) -> float:
    """Size of the difference at positions of text over the size of `b` there; `rows` is the axis of positions."""
    shape = [1] * a.ndim
    shape[0], shape[rows] = real.shape
    at = np.broadcast_to(real.reshape(shape).astype(bool), a.shape)
    return size((a - b)[at]) / size(b[at])


def errors(a: Outputs, b: Outputs, real: np.ndarray, size: Any = largest) -> dict[str, list[float]]:
    """Relative differences of everything: one logits value, one per hidden state, one per attention map."""
    return {
        "logits": [difference(a.logits, b.logits, real, size)],
        "hidden": [difference(x, y, real, size) for x, y in zip(a.hidden, b.hidden, strict=True)],
        "attention": [difference(x, y, real, size, rows=2) for x, y in zip(a.attention, b.attention, strict=True)],
    }
