"""What the tests of training share: a small text, a tiny run on it, and one run trained to its end."""

import random
from pathlib import Path

import pytest

from tests import levels

WORDS = (
    "the",
    "null",
    "token",
    "takes",
    "what",
    "a",
    "head",
    "has",
    "no",
    "use",
    "for",
    "and",
    "leaves",
    "first",
    "one",
)


@pytest.fixture(scope="session")
def text(tmp_path_factory) -> Path:
    """A file of about 4,500 characters, fewer than 20 of them distinct."""
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_text("\n".join(" ".join(draw.choice(WORDS) for _ in range(8)) for _ in range(120)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny(text):
    """tiny({"steps": 6}) is a RunConfig of one layer, 16 wide, on that text, with these fields changed."""
    from train.config import override
    from train.presets import preset

    base = {
        "data.corpus": str(text),
        "data.batch": 4,
        "model.layers": 1,
        "model.heads": 2,
        "model.width": 16,
        "model.context": 16,
        "optimizer.warmup": 2,
        "steps": 12,
        "eval_every": 4,
        "save_every": 3,
        "log_every": 1,
    }
    return lambda changes=None: override(preset("tiny"), base | (changes or {}))


@pytest.fixture(scope="session")
def straight(tiny, tmp_path_factory):
    """A run of 12 steps without a stop: two kinds of layer, and dropout, so that its randomness must repeat too.

    Bytes are compared with it at the level of the tests of the loop, whichever test asks for it first.
    """
    from train import loop

    config = tiny({"model.layers": 2, "model.attention": "null,local:4", "model.dropout.mlp": 0.1})
    with levels.as_users_compile():
        return loop.run(config, tmp_path_factory.mktemp("straight") / "run")
