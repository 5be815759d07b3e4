"""Small trained runs that the analysis is tested on, made once."""

import pytest

import train
from train.config import override

SHAPE = {
    "steps": 12,
    "eval_every": 12,
    "save_every": 12,
    "log_every": 4,
    "model.context": 16,
    "model.width": 16,
    "data.batch": 8,
    "optimizer.warmup": 2,
}


def run_of(folder, preset, attention, seed=0, **changes):
    config = override(train.preset(preset), SHAPE | {"model.attention": attention, "seed": seed} | changes)
    return train.run(config, folder / f"{preset}-{attention.replace(':', '')}-s{seed}")


@pytest.fixture(scope="session")
def language(tmp_path_factory):
    """Runs on backcopy by attention string, one layer and head."""
    folder = tmp_path_factory.mktemp("language")
    return {attention: run_of(folder, "backcopy", attention) for attention in ("standard", "null")}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A text file of two hundred short documents in one."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(f"line {i}: the cat sat on the mat, {i * i % 7} times.\n" for i in range(200)))
    return path


@pytest.fixture(scope="session")
def text(tmp_path_factory, corpus):
    """Runs on a text file: standard and null with seeds 0 and 1, two layers of two heads."""
    folder = tmp_path_factory.mktemp("runs")
    changes = {"data.corpus": str(corpus), "model.layers": 2, "model.heads": 2}
    return {
        (attention, seed): run_of(folder, "tiny", attention, seed, **changes)
        for attention in ("standard", "null+local:4")
        for seed in (0, 1)
    }


@pytest.fixture(scope="session")
def sigmoid_run(tmp_path_factory, corpus):
    """A run with unnormalised sigmoid attention."""
    folder = tmp_path_factory.mktemp("sigmoid")
    return run_of(folder, "tiny", "sigmoid", **{"data.corpus": str(corpus), "model.layers": 1, "model.heads": 2})


@pytest.fixture(scope="session")
def bos_run(tmp_path_factory):
    """A run on backcopy whose texts start with one fixed token."""
    return run_of(tmp_path_factory.mktemp("bos"), "backcopy", "null", **{"data.bos": True})
