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
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from parity_errors import errors, ours, rms, theirs
from parity_models import CASES, FULL_SIZE, Case, inputs, make
from parity_options import cache_table, row_order_table

from jattn import interop


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
        found = {}
        for case in [*CASES, FULL_SIZE]:
            found[case.name] = run_case(case)
            print(row(case.name, found[case.name]), flush=True)
        tables = ["", cache_table(), "", row_order_table(), "", by_layer(found)]
    for path in args.weights:
        vocab = interop.read(path).config.vocab_size
        found = measure(path, *inputs(Case(path.name, ""), vocab))
        print(row(path.name, found), flush=True)
        tables.append(f"\n{path.name}, float32, layer by layer:\n\n{layers(found)}")
    print("\n".join(tables))


if __name__ == "__main__":
    main()
