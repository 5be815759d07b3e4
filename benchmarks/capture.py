"""The streamed capture: memory that does not grow with the text, and its speed beside TransformerLens.

    python benchmarks/capture.py [--tokens 1000000] [--peer 200]

Random weights of a 6-layer, 6-head model, D = 384, T = 256, on pydoc's characters. Memory: two new processes, one
with 50,000 tokens and one with all, each printing the most that it ever held. Speed: TransformerLens (needs the extra
[peers]) caches the patterns, values, keys and residual streams of one window at a time and takes the same measures,
vectorised in torch; the first lines say how far its numbers are from ours on the same maps.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

LAYERS, HEADS, WIDTH, T = 6, 6, 384, 256


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--peer", type=int, default=200, help="windows that TransformerLens reads")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)  # one process of the memory test
    args = parser.parse_args()
    if args.measure:
        measure(args.measure)
        return
    ours = [alone(n) for n in (50_000, args.tokens)]
    for n, (seconds, peak) in zip((50_000, args.tokens), ours, strict=True):
        print(f"jattn           {n:>9,} tokens  {seconds:7.1f} s  {n / seconds:8,.0f} tokens/s  peak {peak:,.0f} MB")
    print(f"peak, {args.tokens:,} tokens over 50,000: {ours[1][1] / ours[0][1]:.3f}")
    rate = peer(args.peer)
    print(f"TransformerLens {args.peer * T:>9,} tokens  {'':9}  {rate:8,.0f} tokens/s")
    print(f"speed, jattn over TransformerLens: {args.tokens / ours[1][0] / rate:.2f}")


def alone(tokens: int) -> tuple[float, float]:
    """(seconds, peak MB) of the capture in a process of its own, compilation left out of the seconds."""
    words = [sys.executable, __file__, "--measure", str(tokens)]
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    seconds, peak = out.split()[-2:]
    return float(seconds), float(peak)


def measure(tokens: int) -> None:
    """Capture that many tokens and print the seconds it took and the most memory ever held, in MB."""
    from analysis.capture.capture import capture

    run, windows = model_and_text(-(-tokens // T))
    capture(run, windows[:64])  # compiles
    began = time.perf_counter()
    capture(run, windows)
    print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def model_and_text(count: int):
    """A run with random weights, and windows of its text [count, T + 1]."""
    from dataclasses import replace

    from jattn.config import MlpConfig, ModelConfig, NormConfig
    from jattn.model import init_parameters
    from train import corpora
    from train.config import RunConfig
    from train.runs import Run
    from train.tokenizers import Tokenizer

    text = "".join(corpora.load("pydoc", context=T).train)
    tokenizer = Tokenizer.train("char", [text])
    shape: dict[str, Any] = {
        "layers": LAYERS,
        "heads": HEADS,
        "width": WIDTH,
        "context": T,
        "vocab_size": tokenizer.vocab_size,
    }
    mlp = MlpConfig("gelu_tanh")
    config = ModelConfig(**shape, positions="learned", norm=NormConfig("layernorm", qk=False), mlp=mlp)
    run = Run(
        Path("random"), 0, replace(RunConfig(), model=config), {"tokenizer": tokenizer.json}, init_parameters(config)
    )
    ids = np.resize(tokenizer.encode(text), count * (T + 1)).reshape(count, T + 1)
    return run, ids


def peer(count: int) -> float:
    """Tokens per second of TransformerLens with the same measures, window by window."""
    import torch
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    run, windows = model_and_text(count)
    compare_measures(run, windows[:4])
    fields = {"d_model": WIDTH, "d_head": WIDTH // HEADS, "n_heads": HEADS, "n_layers": LAYERS, "n_ctx": T}
    fields |= {
        "d_vocab": run.tokenizer.vocab_size,
        "d_mlp": 4 * WIDTH,
        "act_fn": "gelu_new",
        "normalization_type": "LN",
    }
    model = TransformerBridge.boot_native(
        TransformerBridgeConfig(**fields, architecture="TransformerLensNative")
    ).eval()
    wanted = ("hook_pattern", "attn.hook_v", "attn.hook_k", "hook_resid_post")
    ids = torch.as_tensor(windows[:, :-1].astype(np.int64))
    marks = [marks_of_window(run, w[None, :-1]) for w in windows]
    began = 0.0
    sums: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for i in range(-8, count):  # a few to warm up
            if i == 0:
                began, sums = time.perf_counter(), {}
            logits, cache = model.run_with_cache(
                ids[i : i + 1] if i >= 0 else ids[:1], names_filter=lambda n: n.endswith(wanted)
            )
            loss = torch.nn.functional.cross_entropy(logits[0, :-1], ids[max(i, 0), 1:])
            found = {"loss": loss}
            maps = torch.stack([cache["pattern", layer][0] for layer in range(LAYERS)])  # [L, N, T, T]
            found |= torch_measures(maps, *marks[max(i, 0)])
            for name in ("v", "k"):
                norms = torch.stack([cache[name, layer][0] for layer in range(LAYERS)]).norm(dim=-1)
                found[f"{name}_ratio"] = norms[:, 0] / norms[:, 1:].mean(1)
            stream = torch.stack([cache["resid_post", layer][0] for layer in range(LAYERS)])
            norms = stream.norm(dim=-1)
            found["residual_norm_ratio"] = norms[:, 0] / norms[:, 1:].mean(1)
            found["max_over_median"] = stream.abs().amax((1, 2)) / stream.abs().flatten(1).median(1).values
            found["map"] = maps
            for name, value in found.items():
                sums[name] = sums[name] + value if name in sums else value.clone()
    return count * T / (time.perf_counter() - began)


def marks_of_window(run, tokens: np.ndarray):
    """Ids, delimiters and paragraphs of one window as tensors."""
    import torch

    from analysis.capture.capture import marks_of

    marks = marks_of(run, tokens)
    return tuple(torch.as_tensor(np.asarray(a[0])) for a in (marks.tokens, marks.delimiters, marks.paragraphs))


def torch_measures(a, tokens, delimiters, blocks):
    """The measures of text_measures on maps [L, N, T, T] without a null: each [L, N]."""
    import torch

    size = a.shape[-1]
    i = torch.arange(size)
    apart = i[:, None] - i
    seen = apart >= 0
    same = torch.tril(tokens[:, None] == tokens, -1)
    patterns = {
        "self": apart == 0,
        "previous": apart == 1,
        "local": seen & (apart < 8),
        "long": seen & (apart >= 32),
        "duplicate": same,
        "follower": torch.nn.functional.pad(same, (1, 0))[:, :-1],
        "delimiter": seen & delimiters & (apart != 0) & (i > 0),
        "paragraph": seen & (blocks[:, None] == blocks),
    }
    found = {f"alpha_{k}": a[..., k - 1 :, k - 1].mean(-1) for k in (1, 2, 3, 4)}
    found |= {f"sink_{k}": (found[f"alpha_{k}"] > 0.3).float() for k in (1, 2, 3, 4)}
    found |= {f"sink_1_{e}": (found["alpha_1"] > e).float() for e in (0.1, 0.2)}
    found["first_token_share"] = a[..., 1:, 0].mean(-1)
    rest = a.clone()
    rest[..., 0] = 0
    real = rest.sum(-1)
    few = (a[..., 0] <= 0.9) & (real >= 1e-6)
    shared = rest / torch.where(few, real, 1)[..., None]
    stack = torch.stack(list(patterns.values())).float()
    rows = torch.einsum("lnts,pts->plnt", a, stack)
    of_rest = torch.einsum("lnts,pts->plnt", shared, stack)
    for p, name in enumerate(patterns):
        asked = stack[p].any(-1)
        found[f"{name}_raw"] = rows[p][..., asked].mean(-1)
        if name in ("previous", "local", "follower"):
            counted = few & asked
            found[f"{name}_sinkless"] = (of_rest[p] * counted).sum(-1) / counted.sum(-1)
    entropy = lambda x: -torch.special.xlogy(x, x).sum(-1)
    row, row_rest = entropy(a), entropy(shared)
    found["entropy_nats"] = row.mean(-1)
    found["entropy_normalised"] = (row[..., 1:] / torch.log(i[1:] + 1.0)).mean(-1)
    found["entropy_filtered_nats"] = (row_rest * few).sum(-1) / few.sum(-1)
    later = few & (i >= 2)
    found["entropy_sinkless"] = ((row_rest / torch.log(i.clamp(min=2).float())) * later).sum(-1) / later.sum(-1)
    distance = (a * apart.float()).sum(-1)
    found["mean_distance_tokens"] = distance.mean(-1)
    variance = (a * apart.float() ** 2).sum(-1) - distance**2
    found["distance_spread_tokens"] = variance.clamp(min=0).sqrt()[..., 1:].mean(-1)
    held = lambda x: 1 + (x.sort(-1, descending=True).values.cumsum(-1) < 0.9 - 1e-6).sum(-1)
    found["keys_90"] = held(a).float().mean(-1)
    counted = few & (i >= 1)
    found["keys_90_sinkless"] = (held(shared) * counted).sum(-1) / counted.sum(-1)
    found["sparsity"] = (1 - (a >= 1e-3).sum(-1) / (i + 1)).mean(-1)
    return found


def compare_measures(run, windows: np.ndarray) -> None:
    """Print how far the torch measures are from ours on our own maps."""
    import torch

    from analysis.capture.capture import capture

    record = capture(run, windows, maps=len(windows))
    maps = torch.tensor(record.maps[..., 1:])
    per_window = [torch_measures(m, *marks_of_window(run, w[None, :-1])) for m, w in zip(maps, windows, strict=True)]
    theirs = {name: torch.stack([m[name] for m in per_window]).numpy() for name in per_window[0]}
    ours = {name: sums.blocks for name, sums in record.heads.items()}
    common = sorted(theirs.keys() & ours.keys())
    far = {name: np.nanmax(np.abs(theirs[name] - ours[name])) for name in common}
    worst = max(far, key=lambda name: far[name])
    print(f"{len(common)} measures of both on the same maps: at most {far[worst]:.1e} apart ({worst})")


if __name__ == "__main__":
    main()
