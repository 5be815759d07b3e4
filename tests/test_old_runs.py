"""Runs that earlier versions wrote load, compute what they computed then, and train on.

Each archive in tests/fixtures holds small runs of every kind with what the version that wrote them makes of a text
(tests/fixtures/make_runs.py). Files of a run are a promise: an archive is never made again, new versions add theirs.
"""

import json
import shutil
import tarfile
from collections import Counter
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analysis.cli import main
from train import checkpoint, loop
from train.config import flatten, override
from train.metrics import read_metrics

ARCHIVE = Path(__file__).parent / "fixtures" / "runs-0.1.0.tar.xz"
with tarfile.open(ARCHIVE) as _archive:
    EXPECTED = json.load(_archive.extractfile("expected.json"))  # type: ignore[arg-type]

LAST = 4  # tokens whose logits are kept
# Another order of the same sums, by another version or level of the compiler: a rounding for each of the 16 products
# of a row, in each of 4 layers at most. Measured between versions: 22 of them.
ROUNDINGS = 64
EPS = {"float32": 2.0**-24, "bfloat16": 2.0**-12}  # bfloat16 rounds results at 2**-8, and sums in float32


@pytest.fixture(scope="session")
def old(tmp_path_factory):
    """The archive, unpacked."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def arrays(old):
    return dict(np.load(old / "expected.npz"))


@pytest.fixture(scope="session")
def load(old):
    """load(name): one of them, read once."""
    return cache(lambda name: checkpoint.load(old / name))


@jax.jit
def observed(model, tokens):
    """Logits [B, T, V] and attention [L, B, N, T, 1 + T], as `run.logits` and `run.attention` give, in one program."""

    def columns(seen):
        return jnp.concatenate([seen.null_mass.swapaxes(1, 2)[..., None], seen.weights()], -1)

    return model(tokens, observe=columns)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_old_run_gives_the_ids_the_logits_and_the_attention_that_it_gave(load, arrays, name):
    run, then = load(name), EXPECTED[name]
    assert run.step == then["step"]
    tokens = run.encode(then["text"])
    assert tokens.tolist() == [then["ids"]]
    allowed = ROUNDINGS * EPS[then["config"]["model.dtype"]]
    (logits,), attention = map(np.asarray, observed(run.model, tokens))
    for what, got in (("logits", logits[-LAST:]), ("attention", attention[:, 0])):
        expected = arrays[f"{name}/{what}"]
        assert got.shape == expected.shape
        assert abs(got - expected).max() <= allowed * abs(expected).max(), what


@pytest.mark.parametrize("name", EXPECTED)
def test_no_value_of_an_old_config_is_lost(load, name):
    """Under whatever name a field goes now: dropout, rates and the like show in no logits."""
    then, now = (Counter(map(repr, c.values())) for c in (EXPECTED[name]["config"], flatten(load(name).config)))
    assert then - now == Counter()


@pytest.mark.parametrize("name", [name for name in EXPECTED if EXPECTED[name]["onward"]])
def test_an_old_run_trains_on_as_it_would_have(old, load, name, tmp_path, monkeypatch):
    """The first loss has the old parameters and the next batch, the second the optimizer's old state too."""
    shutil.copytree(old / name, tmp_path / "run")
    monkeypatch.chdir(old)  # its text and the run it started from are named relatively
    then = EXPECTED[name]
    config = override(load(name).config, {"steps": then["step"] + len(then["onward"])})
    assert loop.run(config, tmp_path / "run", resume=True).step == config.steps
    losses = {row["step"]: row["loss"] for row in read_metrics(tmp_path / "run") if "loss" in row}
    got = [losses[then["step"] + 1 + n] for n in range(len(then["onward"]))]
    assert got == pytest.approx(then["onward"], rel=ROUNDINGS * EPS["float32"])


def test_commands_tell_of_old_runs(old, capsys):
    assert main(["runs", str(old)]) == 0
    told = capsys.readouterr().out
    assert [name for name in EXPECTED if name not in told] == []
    for name in ("key-muon-bos", "gguf-llama-null"):
        assert main(["info", str(old / name)]) == 0
        assert EXPECTED[name]["config"]["model.attention"] in capsys.readouterr().out
