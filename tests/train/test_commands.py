"""`jattn train`, `sample`, `runs`, `info`: what they print, what they write, and how a stopped one goes on."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from analysis.cli import commands, main
from analysis.commands import info
from tests.command import jattn
from train import data
from train.commands import train
from train.metrics import read_metrics
from train.presets import PRESETS

ESCAPE = "\x1b"
TINY = ["--preset=tiny", "--layers=1", "--heads=2", "--width=16", "--context=16", "--batch=4", "--warmup=1"]
GRID = ["--attention", "standard", "null+local:4", "--seeds", "0", "3", "--steps", "3", "--log-every", "1"]


def files(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def grid(text, tmp_path_factory):
    """Two attentions x two seeds in their own folder: (folder, words, stdout, stderr, each run's first batches)."""
    folder = tmp_path_factory.mktemp("grid")
    words, seen = [*TINY, "--corpus", str(text)], []
    make = data.batches

    def batches(*args, **kwargs):
        made = make(*args, **kwargs)
        seen.append(np.stack([made[n] for n in range(5)]))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(data, "batches", batches)
        code, out, err = jattn("train", *words, *GRID)
    assert code == 0, err
    return folder, words, out, err, seen


@pytest.fixture
def there(grid, monkeypatch):
    """The words of the grid's text and model, with its folder the current one."""
    monkeypatch.chdir(grid[0])
    return grid[1]


NAMES = ["tiny-standard-s0", "tiny-null+local4-s0", "tiny-standard-s3", "tiny-null+local4-s3"]


def test_every_combination_is_a_run_named_after_preset_attention_and_seed(grid):
    folder, _, out, _, _ = grid
    assert sorted(path.name for path in (folder / "runs").iterdir()) == sorted(NAMES)
    assert [line.split()[0] for line in out.splitlines()[:-1]] == [f"runs/{name}" for name in NAMES]
    for name in NAMES:
        told = json.loads((folder / "runs" / name / "config.json").read_text())["config"]
        assert f"tiny-{told['model']['attention'].replace(':', '')}-s{told['seed']}" == name


def test_order_of_data_depends_on_the_seed_and_not_on_the_attention(grid):
    standard, null, other_standard, other_null = grid[4]
    np.testing.assert_array_equal(standard, null)
    np.testing.assert_array_equal(other_standard, other_null)
    assert not np.array_equal(standard, other_standard)


def test_pair_starts_from_the_same_loss(grid):
    """Outputs start at zero, so attention says nothing at first: equal weights on equal batches lose equally."""
    first = {name: read_metrics(grid[0] / "runs" / name)[0]["loss"] for name in NAMES}
    assert first["tiny-standard-s0"] == pytest.approx(first["tiny-null+local4-s0"], rel=1e-6)
    assert first["tiny-standard-s0"] != pytest.approx(first["tiny-standard-s3"], rel=1e-3)


def test_text_device_and_progress_are_told_on_stderr_in_plain_lines(grid):
    _, _, out, err, _ = grid
    lines = err.splitlines()
    assert re.fullmatch(r".*words\.txt: [\d,]+ characters, \d+ tokens", lines[0])
    assert re.fullmatch(r"device: .*; attention: \w+", lines[1])
    for name in NAMES:
        assert any(re.match(rf"{re.escape(name)}: 3/3 loss \d\.\d+", line) for line in lines)
        assert any(re.fullmatch(rf"{re.escape(name)}: step 3  validation loss \d\.\d{{4}}", line) for line in lines)
    assert ESCAPE not in out + err and "\r" not in out + err


def test_validation_loss_of_every_run_is_printed_as_it_was_saved(grid):
    folder, _, out, _, _ = grid
    for line, name in zip(out.splitlines(), NAMES, strict=False):
        saved = [row["valid_loss"] for row in read_metrics(folder / "runs" / name) if "valid_loss" in row]
        assert line == f"runs/{name}  validation loss {saved[-1]:.4f}"


def test_command_that_is_printed_last_compares_the_runs(grid, there):
    line = grid[2].splitlines()[-1]
    assert line.startswith("compare them: jattn compare ")
    words = shlex.split(line.partition("jattn ")[2])
    assert words[1:] == ["standard=runs/tiny-standard-s*", "null+local4=runs/tiny-null+local4-s*"]
    code, out, _ = jattn(*words, "--json", "--windows", "2", "--only", "text")
    assert code == 0
    told = json.loads(out)
    assert told["baseline"] == "standard"
    assert {row["group"] for row in told["measures"]} == {"standard", "null+local4"}


def test_one_attention_is_not_compared(there, tmp_path):
    code, out, _ = jattn("train", *there, "--steps", "3", "--out", tmp_path / "one run")
    assert code == 0 and "compare" not in out
    assert (tmp_path / "one run" / "config.json").exists()


def test_resume_skips_finished_runs_and_starts_missing_ones(there):
    before = files("runs")
    code, out, err = jattn("train", *there, *GRID, "--resume", "--seeds", "0", "3", "5")
    assert code == 0
    assert [line.partition(":")[0] for line in err.splitlines() if line.endswith("finished already")] == [
        f"runs/{name}" for name in NAMES
    ]
    assert [line.split()[0] for line in out.splitlines()[:-1]] == ["runs/tiny-standard-s5", "runs/tiny-null+local4-s5"]
    after = files("runs")
    assert {path: after[path] for path in before} == before


def test_resume_starts_anew_a_run_that_was_killed_before_its_first_checkpoint(there, tmp_path):
    words = [*there, "--steps", "3", "--out", tmp_path / "run"]
    assert jattn("train", *words)[0] == 0
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    code, out, _err = jattn("train", *words, "--resume")
    assert code == 0 and "validation loss" in out
    assert [row["step"] for row in read_metrics(tmp_path / "run") if "valid_loss" in row] == [3]


def test_overwrite_trains_anew(there, tmp_path):
    words = [*there, "--steps", "3", "--out", tmp_path / "run"]
    assert jattn("train", *words)[0] == 0
    before = files(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_text('{"step": 99, "loss": 1.0}\n')
    assert jattn("train", *words, "--overwrite")[0] == 0
    assert [row["step"] for row in read_metrics(tmp_path / "run") if "valid_loss" in row] == [3]
    assert 99 not in [row["step"] for row in read_metrics(tmp_path / "run")]
    assert all(stamp > before[path] for path, stamp in files(tmp_path / "run").items() if path in before)


def test_several_runs_go_into_the_folder_that_out_names(there, tmp_path):
    code, out, _ = jattn("train", *there, *GRID, "--seeds", "0", "--out", tmp_path / "my runs")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "my runs").iterdir()) == sorted(NAMES[:2])
    words = shlex.split(out.splitlines()[-1].partition("jattn ")[2])
    assert words[1] == f"standard={tmp_path}/my runs/tiny-standard-s0"


def test_dry_run_tells_what_it_would_cost_and_writes_nothing(there):
    before = files(".")
    code, out, err = jattn("train", *there, "--attention", "standard", "null", "--steps", "1000", "--dry-run")
    assert code == 0 and files(".") == before and err == "compiling, then timing a few steps\n"
    lines = out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["tiny-standard-s0", "tiny-null-s0"]
    counts = [int(re.search(r": ([\d,]+) parameters", line)[1].replace(",", "")) for line in lines]
    assert counts[0] == json.loads(Path("runs", NAMES[0], "config.json").read_text())["parameters"]
    assert counts[1] - counts[0] == 2 * 8 + 2  # a key of 8 and a logit for each of 2 heads
    for line in lines:
        assert "64,000 tokens in 1,000 steps" in line
        assert re.search(r"\(\d+\.\d passes over [\d,]+ tokens\); memory \d+ MB", line)
        whole, *parts = map(int, re.findall(r"(?:memory|state|written|working) (\d+)", line))
        assert len(parts) == 3 and abs(whole - sum(parts)) <= 2
        assert re.search(r"about \d+:\d\d \(\d+ ms a step, measured here\), \d+:\d\d to compile first", line)
        assert "to evaluate 5 times on" in line  # every 200 steps


def test_sample_starts_with_the_prompt_and_is_a_function_of_its_seed(there):
    words = ("sample", "runs/tiny-standard-s0", "--prompt", "the null", "--length", "40", "--temperature", "2")
    (code, one, err), two, other = jattn(*words), jattn(*words), jattn(*words, "--seed", "1")
    assert code == 0 and err == ""
    assert one.startswith("the null") and len(one) == 8 + 40 + 1
    assert one == two[1] != other[1]
    assert set(one[:-1]) <= set(Path(there[-1]).read_text())


def test_sample_without_temperature_takes_the_likeliest_whatever_the_seed(there):
    words = ("sample", "runs/tiny-standard-s0", "--prompt", "the", "--length", "5")
    cold, colder = jattn(*words, "--temperature", "0"), jattn(*words, "--temperature", "0", "--seed", "7")
    assert cold[1] == colder[1] == jattn(*words, "--top-k", "1", "--seed", "9")[1]


def test_sample_without_a_prompt_goes_on_from_a_line_break(there):
    code, out, _ = jattn("sample", "runs/tiny-standard-s0", "--length", "5")
    assert code == 0 and out.startswith("\n") and len(out) == 1 + 5 + 1


def test_runs_lists_steps_losses_and_parameters(grid, there):
    code, out, err = jattn("runs")
    assert code == 0 and err == "" and ESCAPE not in out
    header, *lines = out.splitlines()
    assert header.split() == ["run", "attention", "steps", "valid", "loss", "corpus", "parameters"]
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert set(rows) >= set(NAMES)
    for name, line in zip(NAMES, grid[2].splitlines(), strict=False):
        attention, steps, loss, corpus, parameters = rows[name]
        assert attention == ("standard" if "standard" in name else "null+local:4")
        assert (steps, loss, corpus) == ("3/3", line.split()[-1], "words.txt")
        told = json.loads(Path("runs", name, "config.json").read_text())
        assert int(parameters.replace(",", "")) == told["parameters"]


def test_runs_says_how_to_start_where_there_are_none(tmp_path):
    assert jattn("runs", tmp_path) == (0, f"no runs in '{tmp_path}'; train one with: jattn train --preset tiny\n", "")


def test_info_tells_what_a_run_is(there):
    code, out, err = jattn("info", "runs/tiny-null+local4-s3")
    assert code == 0 and err == ""
    told = json.loads(Path("runs/tiny-null+local4-s3/config.json").read_text())
    shown = " ".join(out.split())
    assert "attention null+local:4" in shown and "model 1 layers, 2 heads, 16 wide, context 16" in shown
    assert f"{told['parameters']:,} parameters" in shown and "seed 3" in shown
    assert "steps 3 of 3; checkpoints 3" in shown and f"sha256 {told['corpus']['sha256'][:16]}" in shown


def test_info_of_a_checkpoint_in_its_run_and_copied_out_of_it(there, tmp_path):
    inside = Path("runs/tiny-standard-s0/checkpoints/3")
    outside = tmp_path / "copy"
    shutil.copytree(inside, outside)
    for folder in (inside, outside):
        code, out, err = jattn("info", folder)
        assert code == 0 and err == "" and "steps 3 of 3; checkpoints 3" in " ".join(out.split())


def test_info_as_json_is_the_whole_of_it(there):
    code, out, _ = jattn("info", "runs/tiny-standard-s0", "--json")
    told = json.loads(out)
    assert code == 0
    stored = json.loads(Path("runs/tiny-standard-s0/config.json").read_text())
    assert {name: told[name] for name in stored} == stored
    assert told["checkpoints"] == [3] and told["run"] == "runs/tiny-standard-s0"
    assert told["valid_loss"] == told["last"]["valid_loss"] and told["last"]["step"] == 3
    assert "tokenizer" not in told


def test_help_imports_no_jax():
    program = f"""
import sys
from analysis.cli import main
for words in {[[], ["--version"], *([name, "--help-all"] for name in commands().commands)]}:
    assert main(words) == 0
    assert not [m for m in ("jax", "flax", "optax", "orbax", "grain", "matplotlib") if m in sys.modules]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: jattn") == 1 + len(commands().commands) and "Traceback" not in done.stderr


COMMANDS = list(commands().commands)


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=["jattn", *COMMANDS])
def test_help_fits_a_screen_and_begins_with_what_the_command_is(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert main([*words, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100
    assert lines[0].startswith(" ".join(["Usage: jattn", *words]))
    assert main([*words, "-h"]) == 0 and capsys.readouterr().out.splitlines() == lines


def test_jattn_alone_prints_its_help(capsys):
    assert main([]) == 0
    alone = capsys.readouterr().out
    assert main(["--help"]) == 0 and capsys.readouterr().out == alone
    assert [name for name in COMMANDS if f"\n  {name} " not in alone] == []


def test_help_of_train_names_presets_and_fields(capsys):
    assert main(["train", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for word in ("nanogpt-cpu", "--layers", "--learning-rate", "--dry-run", "--resume", "--seeds", "--help-all"):
        assert word in shown
    assert main(["train", "--help-all"]) == 0
    whole = " ".join(capsys.readouterr().out.split())
    assert "--rope-theta" in whole and "--rope-theta" not in shown
    for name, make in PRESETS.items():
        assert f"{name} {' '.join(make.__doc__.splitlines()[0].split())}" in whole


def test_a_command_is_a_function_of_plain_arguments(there, capsys):
    assert info("runs/tiny-standard-s0", json=True) == 0
    called = capsys.readouterr().out
    assert main(["info", "runs/tiny-standard-s0", "--json"]) == 0 and capsys.readouterr().out == called
    changes = {"model.layers": 1, "model.heads": 2, "model.width": 16, "model.context": 16, "steps": 1000}
    changes |= {"data.batch": 4, "optimizer.warmup": 1, "data.corpus": there[-1]}
    assert train(changes, preset="tiny", attention=["standard", "null"], seeds=[4], dry_run=True) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "tiny-standard-s4",
        "tiny-null-s4",
    ]


def test_reader_that_has_seen_enough_is_no_error():
    program = "import sys; from analysis.cli import main; sys.exit(main(['train', '--help-all']))"
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def wait_for(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_stopped_run_says_how_to_go_on_and_that_goes_on(number, text, tmp_path, monkeypatch):
    """The run is a million steps long, so it is stopped in the middle; the printed command is run with fewer."""
    words = [*TINY, "--corpus", str(text), "--attention", "null", "--out", "my run", "--log-every", "1"]
    words += ["--eval-every", "1000000", "--save-every", "1000000", "--steps", "1000000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "analysis.cli", "train", *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: process.poll() is not None or len(read_metrics(tmp_path / "my run")) >= 3)
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err and ESCAPE not in out + err
    (line,) = [line for line in err.splitlines() if "--resume" in line]
    command = shlex.split(line.partition("Go on with: ")[2])
    assert command == ["jattn", "train", *words, "--resume"]
    monkeypatch.chdir(tmp_path)
    told = json.loads(jattn("info", "my run", "--json")[1])
    (done,) = told["checkpoints"]
    assert done >= 3
    code, out, err = jattn(*command[1:], "--steps", done + 2)
    assert code == 0 and out.startswith("my run  validation loss ")
    steps = [row["step"] for row in read_metrics(tmp_path / "my run") if "loss" in row]
    assert steps == list(range(1, done + 3))


class CtrlCAt:
    """Batches during which a Ctrl-C arrives when the second is asked for."""

    def __init__(self, batches):
        self.batches = batches

    def __getitem__(self, index):
        if index == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return self.batches[index]


def test_stop_in_the_second_run_keeps_the_first_and_says_how_to_go_on(there, tmp_path, monkeypatch):
    words = ["train", *there, *GRID, "--seeds", "0", "--out", str(tmp_path / "runs")]
    make, calls = data.batches, []

    def batches(*args, **kwargs):
        calls.append(1)
        made = make(*args, **kwargs)
        return CtrlCAt(made) if len(calls) == 2 else made

    old = [*words[:-2], "--attention", "null+local:4", "--mlp-dropout=0.5", "--out", str(tmp_path / "runs" / NAMES[1])]
    assert jattn(*old)[0] == 0  # of other settings, and where the second run goes
    with monkeypatch.context() as patch:
        patch.setattr(data, "batches", batches)
        code, out, err = jattn(*words, "--overwrite")
    assert code == 130 and len(out.splitlines()) == 1
    assert err.splitlines()[-1] == "saved. Go on with: jattn " + shlex.join([*words, "--resume"])
    code, out, err = jattn(*words, "--resume")
    assert code == 0 and "runs/tiny-standard-s0: finished already" in err
    assert len(out.splitlines()) == 2 and "compare them" in out
    straight = Path("runs", NAMES[1])
    assert [{**row, "tokens_per_second": 0} for row in read_metrics(tmp_path / "runs" / NAMES[1])] == [
        {**row, "tokens_per_second": 0} for row in read_metrics(straight)
    ]


def test_ctrl_c_outside_of_training_stops_in_one_line(there, tmp_path, monkeypatch):
    from train import material

    def prepare(config, start):
        raise KeyboardInterrupt  # what Python makes of SIGINT where nobody handles it

    monkeypatch.setattr(material, "prepare", prepare)
    assert jattn("train", *there, "--out", tmp_path / "run") == (130, "", "jattn: stopped\n")
    assert not (tmp_path / "run").exists()
