"""Imported models against transformers (eager attention, CPU), family by family and option by option.

    python benchmarks/parity.py                      the tables of docs/parity.md, from random small models
    python benchmarks/parity.py --weights PATH ...   the same for real weights: a Hugging Face folder or a GGUF file

float64: the largest difference over the largest value, of logits, hidden states and attention maps. transformers
computes some parts in float32 whatever the model's type (rotary angles, RMSNorm, softmax); for this comparison its own
code runs with float32 read as float64.
float32: our error against that float64 result over transformers' own error, both in float32, layer by layer, as the
root of the mean square over that of the values.
"""

import argparse
import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from parity_models import CASES, FULL_SIZE, Case, inputs, make

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
        config._experts_implementation = "eager"  # the fast one knows no float64
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


def measure(path: Path, tokens, real, types=None) -> dict[str, dict[str, list[float]]]:
    """Errors in float64, and in float32 ours and theirs, all against transformers in float64."""
    ask = partial(dict, tokens=tokens, real=real, types=types)
    exact = theirs(path, "float64", **ask())
    found = {"theirs": errors(theirs(path, "float32", **ask()), exact, real, rms)}
    found["ours"] = errors(ours(path, "float32", **ask()), exact, real, rms)
    with jax.enable_x64(True):
        found["float64"] = errors(ours(path, "float64", **ask()), exact, real)
    return found


def run_case(case: Case) -> dict[str, dict[str, list[float]]]:
    """Make the model of a case and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        make(case, path)
        vocab = json.loads((path / "config.json").read_text()).get("vocab_size", 50257)
        return measure(path, *inputs(case, vocab))


def row(name: str, found: dict[str, dict[str, list[float]]]) -> str:
    """A line of the table."""
    exact = " | ".join(f"{max(found['float64'][n]):.0e}" for n in ("logits", "hidden", "attention"))
    shown = f"{max(found['ours']['logits']):.1e} | {max(found['theirs']['logits']):.1e} | {worst_ratio(found):.2f}"
    return f"| {name} | {exact} | {shown} |"


def worst_ratio(found: dict[str, dict[str, list[float]]]) -> float:
    """The largest of our float32 errors over theirs; errors below one rounding of float32 count as that."""
    least = float(np.finfo(np.float32).eps)
    pairs = [pair for n in found["ours"] for pair in zip(found["ours"][n], found["theirs"][n], strict=True)]
    return max(max(mine, least) / max(own, least) for mine, own in pairs)


HEADER = """| model | logits | hidden states | attention | ours, float32 | theirs, float32 | worst ratio |
|---|---|---|---|---|---|---|"""


def layers(found: dict[str, dict[str, list[float]]]) -> str:
    """float32 errors layer by layer: hidden state after each layer and attention map in it, ours and theirs."""
    lines = ["| layer | hidden, ours | hidden, theirs | attention, ours | attention, theirs |", "|---|---|---|---|---|"]
    mine, own = found["ours"], found["theirs"]
    for i in range(len(mine["attention"])):
        values = mine["hidden"][i + 1], own["hidden"][i + 1], mine["attention"][i], own["attention"][i]
        lines.append(f"| {i + 1} | " + " | ".join(f"{v:.1e}" for v in values) + " |")
    return "\n".join(lines)


def by_layer(found: dict[str, Any]) -> str:
    """float32 errors of random models, a line per layer."""
    lines = ["| model | layer | hidden, ours | hidden, theirs | attention, ours | attention, theirs |"]
    lines.append("|" + "---|" * 6)
    for name, one in found.items():
        lines += [line.replace("| ", f"| {name} | ", 1) for line in layers(one).splitlines()[2:]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=[], type=Path, metavar="PATH")
    args = parser.parse_args()
    print(HEADER, flush=True)
    tables = []
    if not args.weights:
        import parity_options as options

        found = {}
        for case in [*CASES, FULL_SIZE]:
            found[case.name] = run_case(case)
            print(row(case.name, found[case.name]), flush=True)
        tables = ["", options.cache_table(), "", options.row_order_table(), "", by_layer(found)]
    for path in args.weights:
        vocab = interop.read(path).config.vocab_size
        found = measure(path, *inputs(Case(path.name, ""), vocab))
        print(row(path.name, found), flush=True)
        tables.append(f"\n{path.name}, float32, layer by layer:\n\n{layers(found)}")
    print("\n".join(tables))


if __name__ == "__main__":
    main()
