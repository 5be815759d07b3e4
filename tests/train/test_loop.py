"""A run is a function of its config: stopping, resuming, reporting and the number of devices change nothing in it."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading

import jax
import numpy as np
import pytest

from jattn.errors import InputError
from train import data, evaluate, loop, step
from train.checkpoint import Writer, load, load_state
from train.config import flatten, override
from train.devices import replicated
from train.evaluate import Evaluation, evenly
from train.folders import finished_steps
from train.material import prepare
from train.metrics import read_metrics
from train.options import OWN
from train.presets import preset
from train.provenance import versions


@pytest.fixture(scope="module")
def muon(tiny, tmp_path_factory):
    """A run of 4 steps with Muon, without a stop; its dropout is on the embedding."""
    config = tiny({"steps": 4, "optimizer.optimizer": "muon", "model.dropout.embed": 0.1})
    return loop.run(config, tmp_path_factory.mktemp("muon") / "run")


def final_state(run):
    """All that training changes, as it was saved last."""
    return jax.device_get(load_state(run.path, jax.eval_shape(lambda: step.init_state(run.config))))


def same(one, two):
    assert jax.tree.structure(one) == jax.tree.structure(two)
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in leaves)


def measured(folder):
    """The rows of metrics.jsonl by step and kind, without what the clock says."""
    rows = [{k: v for k, v in row.items() if k != "tokens_per_second"} for row in read_metrics(folder)]
    return {(row["step"], "valid_loss" in row): row for row in rows}


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_once(call):
    """The call, with a Ctrl-C before its first time."""
    first = iter([True])
    return lambda *args: (interrupt() if next(first, False) else None, call(*args))[1]


class StopAt:
    """Batches during which a Ctrl-C arrives when that of one step is asked for."""

    def __init__(self, batches, step):
        self.batches, self.step = batches, step

    def __getitem__(self, index):
        if index == self.step:
            interrupt()
        return self.batches[index]


def stop_at_batch(monkeypatch, index):
    make = data.batches
    monkeypatch.setattr(data, "batches", lambda *args, **kwargs: StopAt(make(*args, **kwargs), index))


def run_until_stopped(config, folder):
    with pytest.raises(loop.Stopped, match=str(folder)):
        loop.run(config, folder)


def test_stopped_and_resumed_run_is_byte_for_byte_the_straight_one(straight, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at_batch(patch, 6)  # seven steps done: no evaluation or save was due
        run_until_stopped(straight.config, tmp_path / "run")
    assert finished_steps(tmp_path / "run")[-1] == 7
    resumed = loop.run(straight.config, tmp_path / "run", resume=True)
    assert same(final_state(resumed), final_state(straight))
    assert measured(resumed.path) == measured(straight.path)
    assert resumed.meta == straight.meta


def test_resuming_with_muon_is_byte_for_byte_the_straight_run(muon, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at_batch(patch, 1)
        run_until_stopped(muon.config, tmp_path / "run")
    assert same(final_state(loop.run(muon.config, tmp_path / "run", resume=True)), final_state(muon))


def test_training_again_gives_the_same_bytes(muon, tmp_path):
    again = loop.run(muon.config, tmp_path / "run")
    assert same(final_state(again), final_state(muon)) and measured(again.path) == measured(muon.path)


def test_cadence_of_reports_saves_and_evaluations_changes_nothing(straight, tmp_path):
    """From the checkpoint of step 9, everything else left out of the copy."""
    shutil.copytree(straight.path / "checkpoints" / "9", tmp_path / "run" / "checkpoints" / "9")
    rarely = override(straight.config, {"save_every": 50, "eval_every": 2, "log_every": 5, "keep": 1})
    resumed = loop.run(rarely, tmp_path / "run", resume=True)
    assert same(final_state(resumed), final_state(straight))
    assert finished_steps(tmp_path / "run") == [12]
    got = measured(resumed.path)
    assert list(got) == [(10, False), (10, True), (12, False), (12, True)]
    full = measured(straight.path)
    assert all(got[key] == full[key] for key in got if key in full)


@pytest.mark.parametrize("moment", ["before the first step", "during an evaluation", "while the last save is written"])
def test_ctrl_c_at_any_moment_is_followed_by_a_save_that_can_be_resumed(muon, tmp_path, monkeypatch, moment):
    config = override(muon.config, {"eval_every": 2, "save_every": 4})
    with monkeypatch.context() as patch:
        if moment == "before the first step":
            patch.setattr(step, "make_train_step", interrupted_once(step.make_train_step))
        elif moment == "during an evaluation":
            patch.setattr(Evaluation, "__call__", interrupted_once(Evaluation.__call__))
        else:
            patch.setattr(Writer, "__exit__", interrupted_once(Writer.__exit__))
        run_until_stopped(config, tmp_path / "run")
    expected = {"before the first step": 0, "during an evaluation": 2, "while the last save is written": 4}
    assert finished_steps(tmp_path / "run")[-1] == expected[moment]
    assert same(final_state(loop.run(config, tmp_path / "run", resume=True)), final_state(muon))


def test_handlers_of_signals_are_as_before_after_a_run_and_after_a_stop(muon, tmp_path, monkeypatch):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        stop_at_batch(patch, 1)
        run_until_stopped(muon.config, tmp_path / "run")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_run_in_a_thread_of_its_own_leaves_signals_alone_and_trains(muon, tmp_path):
    done = []
    worker = threading.Thread(target=lambda: done.append(loop.run(muon.config, tmp_path / "run")))
    worker.start()
    worker.join()
    assert same(final_state(done[0]), final_state(muon))


def test_finished_run_resumed_is_loaded_as_it_is(muon):
    before = sorted((p, p.stat().st_mtime_ns) for p in (muon.path / "checkpoints").rglob("*"))
    assert same(loop.run(muon.config, muon.path, resume=True).parameters, muon.parameters)
    assert sorted((p, p.stat().st_mtime_ns) for p in (muon.path / "checkpoints").rglob("*")) == before


def test_run_can_be_made_longer(muon, tmp_path):
    shutil.copytree(muon.path, tmp_path / "run")
    longer = loop.run(override(muon.config, {"steps": 6}), tmp_path / "run", resume=True)
    assert longer.step == 6 and longer.config.steps == 6
    assert [row["step"] for row in read_metrics(longer.path) if "loss" in row] == [1, 2, 3, 4, 5, 6]


def test_run_goes_on_with_the_same_text_in_another_place(muon, text, tmp_path):
    shutil.copytree(muon.path, tmp_path / "run")
    shutil.copy(text, tmp_path / "moved.txt")
    changes = {"steps": 6, "data.corpus": str(tmp_path / "moved.txt")}
    assert loop.run(override(muon.config, changes), tmp_path / "run", resume=True).step == 6


def test_rates_of_both_optimizers_are_reported(muon):
    """Two steps of warm-up: half the peak in the second, the peak in the third."""
    rows = [row for row in read_metrics(muon.path) if "loss" in row]
    for name in ("learning_rate", "muon_learning_rate"):
        peak = getattr(muon.config.optimizer, name)
        assert [row[name] for row in rows[:3]] == pytest.approx([0.0, peak / 2, peak])


def test_metrics_hold_every_step_and_every_evaluation(straight):
    rows = read_metrics(straight.path)
    steps = [row for row in rows if "loss" in row]
    assert [row["step"] for row in steps] == list(range(1, 13))
    fields = {"step", "loss", "grad_norm", "learning_rate", "tokens_per_second", "null_mass"}
    assert all(set(row) == fields for row in steps)
    assert all(0 < row["null_mass"] < 1 and row["grad_norm"] > 0 for row in steps)
    evaluations = [row for row in rows if "valid_loss" in row]
    assert [row["step"] for row in evaluations] == [4, 8, 12]
    assert evaluations[-1]["valid_loss"] == straight.meta["valid_loss"]
    assert {row["valid_tokens"] for row in evaluations} == {(len(prepare(straight.config).data.valid) - 1) // 16 * 16}
    assert steps[-1]["loss"] < steps[0]["loss"]


def test_reported_learning_rate_is_that_of_the_step(straight):
    """Two steps of warm-up from 0 to the peak of 3e-3, then a cosine over ten to a tenth."""
    got = [row["learning_rate"] for row in read_metrics(straight.path) if "loss" in row]
    cosine = [(1 + math.cos(math.pi * n / 10)) / 2 for n in range(10)]
    expected = [0.0, 1.5e-3, *(3e-3 * (0.1 + 0.9 * share) for share in cosine)]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-9)


def test_first_loss_is_that_of_the_first_batch_and_the_fresh_model(straight):
    material = prepare(straight.config)
    batch = data.batches(material.data.train, context=16, batch=4, seed=0)[0]
    fresh = replicated(step.init_state(material.config))
    _, metrics = step.make_train_step(material.config)(fresh, batch)
    first = read_metrics(straight.path)[0]
    assert (first["loss"], first["grad_norm"]) == (float(metrics["loss"]), float(metrics["grad_norm"]))


def test_config_json_names_text_versions_and_machine(straight, text):
    told = json.loads((straight.path / "config.json").read_text())
    assert set(told) == {"config", "corpus", "versions", "machine", "parameters"}
    material = prepare(straight.config)
    assert told["corpus"] == {"name": str(text), "size": len(text.read_text()), "sha256": material.corpus["sha256"]}
    assert len(told["corpus"]["sha256"]) == 64
    assert told["versions"] == versions() and told["versions"]["jax"] == jax.__version__


def test_folder_of_a_run_holds_nothing_else(straight):
    assert sorted(path.name for path in straight.path.iterdir()) == ["checkpoints", "config.json", "metrics.jsonl"]
    assert sorted(path.name for path in (straight.path / "checkpoints").iterdir()) == ["12", "9"]


def test_evaluation_reads_at_most_so_many_windows_spread_over_the_split():
    windows = np.arange(100)[:, None]
    assert evenly(windows, 100) is windows and evenly(windows, 200) is windows
    np.testing.assert_array_equal(evenly(windows, 4)[:, 0], [0, 33, 66, 99])
    assert len(np.unique(evenly(windows, 99))) == 99


def test_evaluation_does_not_depend_on_how_windows_are_batched(straight, monkeypatch):
    """A last batch that is not full is filled up, and what fills it does not count."""
    windows = data.windows(prepare(straight.config).data.valid, context=16)
    whole = Evaluation(straight.config, windows)
    monkeypatch.setattr(evaluate, "LARGEST_TOKENS", 16 * (len(windows) - 1))
    parts = Evaluation(straight.config, windows)
    assert len(whole.batches) == 1 and len(parts.batches) == 2 and len(parts.batches[1]) == len(windows) - 1
    assert parts(straight.parameters) == pytest.approx(whole(straight.parameters), rel=1e-6)


def test_every_program_of_a_run_is_compiled_once(tiny, tmp_path, monkeypatch, caplog):
    """Evaluations of a batch that is not full included, before and after training, and after a resume."""
    config = tiny({"steps": 5, "eval_every": 2, "save_every": 5, "watch_sinks": True, "model.width": 24})
    monkeypatch.setattr(evaluate, "LARGEST_TOKENS", 16 * 5)
    with jax.log_compiles():
        loop.run(config, tmp_path / "run")
        loop.run(override(config, {"steps": 5}), tmp_path / "run", resume=True)
    told = [record.getMessage() for record in caplog.records]
    for name in ("step", "evaluate"):
        assert sum(f"Compiling jit({name})" in line for line in told) == 1, name


def test_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_good_checkpoint(tiny, tmp_path):
    config = tiny({"steps": 40, "save_every": 2, "eval_every": 2, "log_every": 50, "optimizer.learning_rate": 1e6})
    with pytest.raises(InputError, match=r"is (nan|inf) at step \d+.* Lower optimizer.learning_rate") as error:
        loop.run(config, tmp_path / "run")
    assert "\n" not in str(error.value)
    kept = load(tmp_path / "run")
    assert math.isfinite(kept.meta["valid_loss"])
    assert all(np.isfinite(array).all() for array in kept.parameters.values())


def test_nothing_is_written_before_the_input_is_known_to_be_good(tiny, tmp_path, muon):
    shutil.copytree(muon.path, tmp_path / "run")
    short = tmp_path / "short.txt"
    short.write_text("too short")
    with pytest.raises(InputError, match=r"too short: \d tokens, context=16 needs at least 17"):
        loop.run(tiny({"data.corpus": str(short)}), tmp_path / "run", overwrite=True)
    assert load(tmp_path / "run").step == 4


TWO_DEVICES = """
import shutil
import sys
import jax
from analysis.cli import main

assert jax.device_count() == 2
words = sys.argv[1:]
assert main(["train", *words, "--out", "two"]) == 0
shutil.rmtree("two/checkpoints/4")
assert main(["train", *words, "--out", "two", "--resume"]) == 0
sys.exit(main(["train", *words, "--out", "odd", "--batch", "3"]))
"""


def test_two_devices_train_as_one_and_a_batch_that_they_cannot_share_is_refused(tiny, tmp_path, two_devices):
    """Float32 sums in another order: losses agree to about 1e-6 of their size a step. Steps 3 and 4 after a resume."""
    config = tiny({"steps": 4, "eval_every": 2, "save_every": 2, "model.attention": "null"})
    given, default = flatten(config), flatten(preset("tiny"))
    words = [f"--{name}={given[name]}" for name in given if name not in OWN and given[name] != default[name]]
    words = ["--preset=tiny", "--attention=null", *words]
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, *words], env=two_devices, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    refused = "jattn: data.batch must be a multiple of the number of devices (2), got 3"
    assert done.stderr.splitlines()[-1] == refused and "Traceback" not in done.stderr
    assert not (tmp_path / "odd").exists()
    loop.run(config, tmp_path / "one")
    one, two = measured(tmp_path / "one"), measured(tmp_path / "two")
    assert list(one) == list(two) and len(one) == 6
    for key, row in one.items():
        assert two[key] == pytest.approx(row, rel=2e-5), key
