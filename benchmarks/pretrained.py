"""A pretrained model side by side with transformers on the same CPU: loading, and generation with a cache.

    python benchmarks/pretrained.py PATH        a Hugging Face folder or a GGUF file

Loading is timed in a fresh process with jax imported; its peak memory is given over the model's float32 size.
"""

import argparse
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from timing import interleaved, ratio

import train
from jattn.decode import generate
from jattn.model import count_parameters

PROMPT, NEW = 64, 64


def load_alone(path: str) -> None:
    """Load in this process and print seconds and the peak above what it had with jax."""
    jnp.zeros(3).block_until_ready()
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    before, began = peak(), time.perf_counter()
    run = train.load(path)
    jax.block_until_ready(run.parameters)
    size = 4 * count_parameters(run.config.model)
    print(f"load: {time.perf_counter() - began:.1f} s; peak {(peak() - before) / 1e6:,.0f} MB above jax, ", end="")
    print(f"{(peak() - before) / size:.2f} x the float32 size of {size / 1e6:,.0f} MB")


def generation(path: str, rounds: int = 5) -> None:
    """Greedy tokens per second of both, in turn."""
    import torch
    import transformers

    run = train.load(path)
    prompt = np.random.default_rng(0).integers(0, run.config.model.vocab_size, (1, PROMPT))
    ours = jax.jit(partial(generate, length=NEW, temperature=0.0))
    file = Path(path)
    where = {"gguf_file": file.name} if file.suffix == ".gguf" else {}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        file.parent if where else file, dtype=torch.float32, **where
    )
    ask = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False, "use_cache": True}
    theirs = partial(model.eval().generate, torch.tensor(prompt), **ask)
    key, tokens = jax.random.key(0), jnp.asarray(prompt)
    times = interleaved(
        {"ours": lambda: ours(run.model, tokens, key=key), "theirs": lambda: theirs() is None}, rounds, warmup=1
    )
    speed = {name: NEW / float(np.median(t)) for name, t in times.items()}
    told = f"ours {speed['ours']:.1f} tokens/s, transformers {speed['theirs']:.1f}"
    print(f"generate {NEW} tokens after {PROMPT}: {told}; ", end="")
    print(f"ours / transformers {ratio(times, 'theirs', 'ours')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--load-alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.load_alone:
        load_alone(args.path)
    else:
        subprocess.run([sys.executable, __file__, args.path, "--load-alone"], check=True)
        generation(args.path)
