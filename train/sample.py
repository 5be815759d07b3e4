"""The command `jattn sample`: a run goes on from a text."""

from typing import Any

import click

from jattn.errors import InputError, at_least
from train.command_line import Command, Option, Seed, Value


def sample(
    path: str,
    *,
    prompt: str | None = None,
    length: int = 200,
    temperature: float = 0.8,
    top_k: int | None = None,
    seed: int = 0,
    past_end: bool = False,
) -> int:
    """Print the prompt and what the model makes of it, up to its end of text; special tokens are shown by name."""
    at_least("--length", length, 1)
    at_least("--temperature", temperature, 0)
    if top_k is not None:
        at_least("--top-k", top_k, 1)
    from train.checkpoint import load

    run = load(path)
    prompt = _default_prompt(run) if prompt is None else prompt
    try:
        ids = run.encode(prompt)
    except InputError as error:
        raise InputError(f"--prompt: {error}") from None
    if ids.shape[1] == 0:
        raise InputError("--prompt is empty; give at least one character")
    import jax

    from jattn.decode import generate

    ends = () if past_end else run.ends
    fixed = {"temperature": temperature, "top_k": top_k, "vocab": run.tokenizer.vocab_size, "ends": ends}
    tokens = jax.jit(generate, static_argnums=(2,), static_argnames=tuple(fixed))(
        run.model, ids, length, jax.random.key(seed), **fixed
    )
    written = list(map(int, tokens[0]))
    written = written[: next((n for n, token in enumerate(written) if token in ends), length)]
    asked = list(map(int, ids[0]))[len(run.tokenizer.frame[0]) :]
    print(run.tokenizer.decode([*asked, *written], skip_special_tokens=False))  # together: spaces depend on neighbours
    return 0


def _default_prompt(run: Any) -> str:
    """A line break if the run's text has any, else its first token."""
    try:
        if len(run.tokenizer.encode("\n")):
            return "\n"
    except InputError:
        pass
    return run.tokenizer.token(0)


SAMPLE = Command(
    "sample",
    callback=sample,
    short_help="let a run write",
    help="Sample text from a run.",
    params=[
        click.Argument(["path"], metavar="RUN", help="a run, one of its checkpoints, or a model to import"),
        Option("--prompt", metavar="TEXT", help="the text to go on from [a line break, or the first token]"),
        Option(
            *("--length", "--tokens", "--max-tokens", "--max-new-tokens"),
            type=Value(int),
            metavar="N",
            help="tokens to write [200]",
        ),
        Option("--temperature", type=Value(float), metavar="X", help="0 takes the likeliest token [0.8]"),
        Option("--top-k", type=Value(int | None), metavar="N", help="keep the k likeliest tokens [none]"),
        Option("--seed", type=Seed(), metavar="N", help="of the draw [0]"),
        Option("--past-end", is_flag=True, help="go on after the model's end of text, for models that have one"),
    ],
)
