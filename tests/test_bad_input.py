"""Every mistake is one line that names the field, the value and the fix, with exit code 2, and nothing is lost."""

import hashlib
import json
import random
import shutil
from pathlib import Path

import pytest

from tests.command import jattn
from train.checkpoint import load
from train.metrics import read_metrics

FINISHED = "commit_success.txt"
WORDS = ["the", "null", "token", "takes", "what", "a", "head", "has", "no", "use", "for"]
TINY = ["train", "--preset=tiny", "--layers=1", "--heads=2", "--width=16", "--context=16", "--batch=4"]
TEXT = [*TINY, "--corpus=words.txt"]
RUN = [*TEXT, "--attention=null", "--steps=4", "--save-every=2", "--eval-every=2", "--out=runs/null"]
NEW = [*TEXT, "--out=new"]


def files(folder):
    """Everything below a folder, with what is in it."""
    paths = sorted(Path(folder).rglob("*"))
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None for path in paths}


def refusal(*words):
    """The one line of a command that is refused, after checking that it is one, and that nothing else happened."""
    before = files(".")
    code, out, err = jattn(*words)
    assert (code, out) == (2, ""), err
    assert err.startswith("jattn: ") and err.endswith("\n") and err.count("\n") == 1, err
    assert files(".") == before
    return err[len("jattn: ") : -1]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with texts and three runs: with a null, and with learned positions on the bytes of two texts."""
    import jax

    folder = tmp_path_factory.mktemp("world")
    draw = random.Random(0)
    words = " ".join(draw.choice(WORDS) for _ in range(600))
    (folder / "words.txt").write_text(words)
    (folder / "other.txt").write_text(words.replace("token", "TOKEN"))
    (folder / "latin.txt").write_bytes(words.encode() + b"caf\xe9 " + words.encode())
    (folder / "empty.txt").write_text("")
    (folder / "short.txt").write_text("the null token takes 30 chars.")
    (folder / "no text").mkdir()
    (folder / "thesis").mkdir()
    (folder / "thesis" / "thesis.tex").write_text("years of work")
    (folder / "thesis" / "config.json").write_text('{"model_type": "gpt2"}')
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)  # programs this small compile longer than they run
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        learned = ["--steps=2", "--attention=standard", "--positions=learned", "--tokenizer=byte"]
        for train in (
            RUN,
            [*TEXT, *learned, "--out=runs/bytes"],
            [*TINY, *learned, "--corpus=other.txt", "--out=runs/bytes-of-other"],
        ):
            code, _, err = jattn(*train)
            assert code == 0, err
        shutil.copytree("runs/null", "grid/tiny-null-s0")
    yield folder
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def here(world, monkeypatch):
    """That folder is the current one; nothing in it may change."""
    monkeypatch.chdir(world)
    return world


@pytest.fixture
def copy(world, tmp_path, monkeypatch):
    """A copy of that folder is the current one, to be damaged."""
    shutil.copytree(world, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


# A name for each mistake -> the words of the command, and what its line must say.
MISTAKES = {
    "unknown command": (["trian"], ["command", "'trian'", "Did you mean 'train'?", "compare"]),
    "unknown preset": (["train", "--preset=tinny"], ["preset", "'tinny'", "Did you mean 'tiny'?", "nanogpt-cpu"]),
    "unknown field": (["train", "--layrs", "3"], ["'--layrs'", "did you mean --layers?", "--help"]),
    "unknown dotted field": (["train", "--model.widht=3"], ["'--model.widht'", "did you mean --width?"]),
    "option before the command": (["--json", "info"], ["unknown option '--json'", "jattn --help"]),
    "counted in epochs": (["train", "--epochs=3"], ["there is no --epochs", "--steps N"]),
    "no run to look at": (["info"], ["info: RUN is missing", "jattn info --help"]),
    "no group to compare": (["compare"], ["compare: NAME=RUNS... is missing", "a path or glob of runs in quotes"]),
    "value for a flag": (["demo", "--full=yes"], ["--full takes no value"]),
    "quick and full": (["demo", "--quick", "--full"], ["--quick and --full exclude each other"]),
    "attention of none": (["train", "--attention", "--steps=3"], ["--attention needs one value or more"]),
    "unknown option of sample": (["sample", "runs/null", "--promt", "x"], ["'--promt'", "did you mean --prompt?"]),
    "word too many": (["info", "runs/null", "more"], ["'more'", "one argument too many"]),
    "option without a value": (["train", "--steps"], ["--steps needs a value: N", "jattn train --help"]),
    "word for a whole number": ([*NEW, "--layers=two"], ["model.layers takes a whole number, got 'two'"]),
    "fraction for a whole number": ([*NEW, "--steps=2.5"], ["steps takes a whole number, got '2.5'"]),
    "word for a number": ([*NEW, "--learning-rate=fast"], ["optimizer.learning_rate takes a number, got 'fast'"]),
    "not a number": ([*NEW, "--weight-decay=nan"], ["optimizer.weight_decay takes a number, got 'nan'"]),
    "word for true or false": ([*NEW, "--bos=yes"], ["data.bos", "'yes'", "true, false"]),
    "word that is no choice": (
        [*NEW, "--mlp=glu"],
        ["model.mlp.activation", "'glu'", "Did you mean 'gelu'?", "swiglu"],
    ),
    "neither number nor none": ([*NEW, "--kv-heads=nul"], ["model.kv_heads takes a whole number or none, got 'nul'"]),
    "no steps": ([*NEW, "--steps=0"], ["steps must be >= 1, got 0"]),
    "no batch": ([*NEW, "--batch=0"], ["data.batch must be >= 1, got 0"]),
    "no context": ([*NEW, "--context=0"], ["model.context must be >= 1, got 0"]),
    "less than no layers": ([*NEW, "--layers=-1"], ["model.layers must be >= 0, got -1"]),
    "no learning": ([*NEW, "--learning-rate=0"], ["optimizer.learning_rate must be > 0, got 0.0"]),
    "all dropped": ([*NEW, "--mlp-dropout=1"], ["model.dropout.mlp must be at least 0 and below 1, got 1.0"]),
    "no momentum left": ([*NEW, "--beta2=1"], ["optimizer.beta2 must be at least 0 and below 1, got 1.0"]),
    "nothing to train on": ([*NEW, "--valid-fraction=1"], ["data.valid_fraction", "below 1, got 1.0"]),
    "negative cap": ([*NEW, "--logit-soft-cap=-3"], ["model.output.soft_cap must be > 0, got -3.0"]),
    "heads that do not divide": ([*NEW, "--heads=3"], ["model.heads must divide model.width, got 3 and 16"]),
    "key heads that do not divide": ([*NEW, "--heads=4", "--kv-heads=3"], ["model.kv_heads", "got 3 and 4"]),
    "odd head for rope": ([*NEW, "--width=6"], ["model.head_size must be even for rope, got 3"]),
    "unknown attention": ([*NEW, "--attention", "nul"], ["'nul'", "Did you mean 'null'?", "fixed_value"]),
    "empty attention": ([*NEW, "--attention", ""], ["attention", "''", "standard, null"]),
    "window of none": ([*NEW, "--attention", "local:0"], ["local must be >= 1, got 0"]),
    "window of what": ([*NEW, "--attention", "local"], ["local needs a number (for example local:64), got ''"]),
    "value for a null": ([*NEW, "--attention", "null:3"], ["'null' takes no value, got 'null:3'"]),
    "two nulls": ([*NEW, "--attention", "zero+key"], ["'zero+key'", "twice; keep one"]),
    "null and token": ([*NEW, "--attention", "null+token"], ["'null+token'", "a sink token is a null already"]),
    "null without a normaliser": ([*NEW, "--attention", "sigmoid+null"], ["'sigmoid+null'", "no normaliser"]),
    "first without local": ([*NEW, "--attention", "first:4"], ["'first:4'", "first:S needs local:W"]),
    "token in some layers": ([*NEW, "--attention", "token,standard"], ["every layer must have it"]),
    "one bad attention of two": ([*NEW, "--attention", "null", "nul"], ["'nul'", "Did you mean 'null'?"]),
    "bad seed": ([*NEW, "--seeds", "one"], ["--seeds takes a whole number, got 'one'"]),
    "negative seed": ([*NEW, "--seeds", "-1"], ["--seeds must be >= 0 and below 2**32, got -1"]),
    "seed beyond JAX": ([*NEW, "--seeds", "4294967296"], ["--seeds", "below 2**32, got 4294967296"]),
    "seed twice": ([*NEW, "--seeds", "1", "2", "01"], ["--seeds", "1 2 1", "give each once"]),
    "attention twice": ([*NEW, "--attention", "null", "null"], ["--attention", "give each once"]),
    "attention twice, spelled apart": (
        [*NEW, "--attention", "local:4,null", "local:4, null"],
        ["--attention", "give each once"],
    ),
    "not UTF-8": ([*NEW, "--corpus=latin.txt"], ["latin.txt is not UTF-8", "0xe9 at byte {offset}", "convert"]),
    "empty text": ([*NEW, "--corpus=empty.txt"], ["'empty.txt' is empty", "give a file or a folder with text"]),
    "short text": (
        [*NEW, "--corpus=short.txt"],
        ["validation split", "'short.txt'", "too short: 3 tokens", "context=16 needs at least 17", "more text"],
    ),
    "text that is not there": ([*NEW, "--corpus=word.txt"], ["no file or folder 'word.txt'", "pydoc"]),
    "unknown corpus": ([*NEW, "--corpus=pydocs"], ["'pydocs'", "Did you mean 'pydoc'?"]),
    "folder without text": ([*NEW, "--corpus=no text"], ["no .txt, .md, .py, .rst file in folder no text"]),
    "more BPE than text": ([*NEW, "--tokenizer=bpe"], ["data.bpe_size=1024", "the text gives only", "ask for at most"]),
    "run that exists": (RUN, ["'runs/null' exists", "--resume", "--overwrite", "--out"]),
    "run that exists, of several": (
        [*TEXT, "--attention", "standard", "null", "--out=grid"],
        ["'grid/tiny-null-s0' exists", "--resume", "--overwrite"],
    ),
    "out is a file": ([*TEXT, "--out=words.txt"], ["out: 'words.txt' is a file; name a folder"]),
    "out is below a file": ([*TEXT, "--out=words.txt/run"], ["out: 'words.txt' is a file; name a folder"]),
    "several runs below a file": ([*TEXT, "--seeds", "0", "1", "--out=words.txt"], ["out: 'words.txt' is a file"]),
    "somebody's folder": ([*TEXT, "--out=thesis"], ["'thesis'", "not a run, so it is left alone", "another folder"]),
    "overwriting somebody's folder": ([*TEXT, "--out=thesis", "--overwrite"], ["'thesis'", "so it is left alone"]),
    "resuming somebody's folder": ([*TEXT, "--out=thesis", "--resume"], ["'thesis'", "so it is left alone"]),
    "resume and overwrite": ([*RUN, "--resume", "--overwrite"], ["--resume and --overwrite exclude each other"]),
    "resume in another shape": (
        [*RUN, "--resume", "--layers=2", "--learning-rate=0.5", "--steps=9"],
        ["model.layers: 1 on disk, 2 given", "optimizer.learning_rate: 0.003 on disk, 0.5 given", "--out"],
    ),
    "resume a finished run in another shape": (
        [*RUN, "--resume", "--attention=standard"],
        ["model.attention: 'null' on disk, 'standard' given"],
    ),
    "resume on another text": (
        [*RUN, "--resume", "--corpus=other.txt"],
        ["the text of 'other.txt' has changed since the run"],
    ),
    "info of no run": (["info", "runs/nul"], ["'runs/nul' does not exist", "runs here: bytes, bytes-of-other", "null"]),
    "info of a folder": (["info", "thesis"], ["thesis: there is no model.safetensors"]),
    "sample of no run": (["sample", "runs/nul"], ["'runs/nul' does not exist", "null"]),
    "compare of no run": (["compare", "a=runs/nul"], ["no run matches 'runs/nul'", "runs there: bytes", "null"]),
    "compare of no match": (["compare", "a=runs/null", "b=runs/*x*"], ["no run matches 'runs/*x*'", "null"]),
    "group without a name": (["compare", "runs/null"], ["'runs/null'", "NAME=RUNS", "null='runs/*-null-*'"]),
    "group without runs": (["compare", "null="], ["'null='", "NAME=RUNS"]),
    "group twice": (["compare", "a=runs/null", "a=runs/bytes"], ["same name", "give each its own"]),
    "bad windows": (["compare", "a=runs/null", "--windows=all"], ["--windows takes a whole number, got 'all'"]),
    "different tokenizers": (
        ["compare", "a=runs/null", "b=runs/bytes"],
        ["runs/bytes and runs/null", "different tokenizers", "256 and", "cannot be compared"],
    ),
    "longer than a context": (["compare", "a=runs/null", "--tokens=17"], ["tokens", "at most the context", "17"]),
    "wrong text to compare on": (
        ["compare", "a=runs/null", "--corpus=other.txt"],
        ["'other.txt' is not the one", "runs/null", "--corpus"],
    ),
    "unknown character": (
        ["sample", "runs/null", "--prompt", "the Zoo"],
        ["--prompt: text: character 'Z' at offset 4", "of the char tokenizer", "byte"],
    ),
    "beyond learned positions": (
        ["sample", "runs/bytes", "--prompt", "the", "--length=20"],
        ["prompt 3 + length 20 exceeds model.context = 16"],
    ),
    "prompt beyond learned positions": (
        ["sample", "runs/bytes", "--prompt", "the null token takes", "--length=1"],
        ["exceeds model.context = 16"],
    ),
    "empty prompt": (["sample", "runs/null", "--prompt", ""], ["--prompt is empty", "at least one character"]),
    "no length": (["sample", "runs/null", "--length=0"], ["--length must be >= 1, got 0"]),
    "negative temperature": (["sample", "runs/null", "--temperature=-1"], ["--temperature must be >= 0, got -1.0"]),
    "undefined temperature": (
        ["sample", "runs/null", "--temperature=nan"],
        ["--temperature takes a number, got 'nan'"],
    ),
    "no likeliest": (["sample", "runs/null", "--top-k=0"], ["--top-k must be >= 1, got 0"]),
    "bad seed of a sample": (["sample", "runs/null", "--seed=-2"], ["--seed must be >= 0 and below 2**32, got -2"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_one_line_and_nothing_is_lost(mistake, here):
    words, says = MISTAKES[mistake]
    line = refusal(*words)
    for part in says:
        assert part.format(offset=Path("words.txt").stat().st_size + 3) in line


def test_text_that_changed_is_told_when_resuming(copy):
    words = Path("words.txt").read_text()
    for changed in (words.replace("null", "full", 1), words + " Z"):  # the same characters, and one more
        Path("words.txt").write_text(changed)
        line = refusal(*RUN, "--resume", "--steps=9")
        assert "the text of 'words.txt' has changed since the run in 'runs/null'" in line
        assert "old text" in line and "--out" in line


def test_every_run_to_resume_is_checked_before_the_first_one_starts(copy):
    """The second run of two has another shape; the first, which could start, is not started."""
    line = refusal(*TEXT, "--attention", "standard", "null", "--out=grid", "--resume", "--layers=2")
    assert "model.layers: 1 on disk, 2 given" in line
    line = refusal(*TEXT, "--attention", "standard", "null", "--out=thesis", "--layers=2", "--tokenizer=bpe")
    assert "data.bpe_size" in line


def test_overwriting_with_bad_input_keeps_the_old_run(copy):
    for words in (["--corpus=short.txt"], ["--corpus=nothing.txt"], ["--heads=3"], ["--attention", "nul"]):
        refusal(*RUN, "--overwrite", *words)
    assert load("runs/null").step == 4


def test_runs_on_different_text_are_compared_with_a_warning(here, tmp_path):
    groups = ["a=runs/bytes", "b=runs/bytes-of-other"]
    code, out, err = jattn("compare", *groups, "--only=text", "--windows=2", f"--out={tmp_path}/report")
    assert code == 0 and "validation loss" in out
    (line,) = [line for line in err.splitlines() if "different text" in line]
    assert line.startswith("note: ") and "words.txt" in line and "other.txt" in line


def test_unfinished_save_alone_is_no_checkpoint(copy):
    for step in (2, 4):
        (copy / "runs" / "null" / "checkpoints" / str(step) / FINISHED).unlink()
    for words in (["info", "runs/null"], ["sample", "runs/null"], ["compare", "a=runs/null"]):
        line = refusal(*words)
        assert "'runs/null' has no finished checkpoint (unfinished: " in line and "--overwrite" in line


def test_unfinished_save_is_passed_over_for_the_one_before(copy):
    (copy / "runs" / "null" / "checkpoints" / "4" / FINISHED).unlink()
    code, out, _ = jattn("info", "runs/null", "--json")
    assert code == 0 and json.loads(out)["checkpoints"] == [2]
    code, _, err = jattn(*RUN, "--resume")
    assert code == 0, err
    assert load("runs/null").step == 4


def biggest(folder):
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


DAMAGE = {
    "data cut short": lambda folder: biggest(folder).write_bytes(biggest(folder).read_bytes()[:100]),
    "data emptied": lambda folder: biggest(folder).write_bytes(b""),
    "data gone": lambda folder: biggest(folder).unlink(),
    "manifest gone": lambda folder: (folder / "state" / "manifest.ocdbt").unlink(),
    "arrays gone": lambda folder: shutil.rmtree(folder / "state"),
    "metadata gone": lambda folder: (folder / "_CHECKPOINT_METADATA").unlink(),
    "metadata torn": lambda folder: (folder / "_CHECKPOINT_METADATA").write_text('{"custom_met'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_checkpoint_is_one_line_with_the_way_out(damage, copy, capfd):
    """Neither Orbax's log nor the tracebacks of its tasks reach the screen, which capfd sees as a terminal would."""
    DAMAGE[damage](copy / "runs" / "null" / "checkpoints" / "4")
    for words in (["sample", "runs/null", "--prompt=the"], ["compare", "a=runs/null"], [*RUN, "--resume", "--steps=6"]):
        line = refusal(*words)
        assert line.startswith("checkpoint 'runs/null/checkpoints/4' cannot be read; delete it to use an earlier one (")
        assert "is missing" in line or "bytes instead of" in line
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")
    shutil.rmtree(copy / "runs" / "null" / "checkpoints" / "4")
    assert jattn("sample", "runs/null", "--prompt=the", "--length=2")[0] == 0


def test_checkpoint_of_a_version_with_other_fields_names_the_field(copy):
    sizes = copy / "runs" / "null" / "checkpoints" / "4" / "sizes.json"
    sizes.unlink()
    meta = copy / "runs" / "null" / "checkpoints" / "4" / "_CHECKPOINT_METADATA"
    meta.write_text(meta.read_text().replace('"log_every"', '"log_evry"'))
    line = refusal("sample", "runs/null", "--prompt=the")
    assert "'log_evry'" in line and "Did you mean 'log_every'?" in line


def test_folder_with_a_torn_config_is_not_listed_and_not_overwritten(copy):
    (copy / "runs" / "null" / "config.json").write_text('{"config": {"pre')
    code, out, _ = jattn("runs")
    assert code == 0 and "bytes" in out and "null" not in out
    assert "left alone" in refusal(*RUN, "--overwrite")


def test_run_whose_loss_leaves_the_finite_numbers_ends_in_one_line_and_keeps_what_was_saved(copy):
    words = [*TEXT, "--attention=null", "--steps=60", "--save-every=2", "--eval-every=50", "--log-every=1"]
    code, out, err = jattn(*words, "--learning-rate=1e6", "--warmup=1", "--out=runs/fast")
    assert code != 0 and out == "" and "Traceback" not in err
    line = err.splitlines()[-1]
    assert line.startswith("jattn: fast: ") and ("is nan at step" in line or "is inf at step" in line)
    assert "optimizer.learning_rate (now 1000000.0)" in line and "before it are kept" in line
    run = load("runs/fast")
    assert run.step >= 2 and run.meta["valid_loss"] < float("inf")
    assert all(abs(row["loss"]) < float("inf") for row in read_metrics(run.path) if "loss" in row)


def test_bug_keeps_its_traceback(here, monkeypatch):
    """Only InputError is a user's mistake; nothing else is swallowed."""
    from train import metrics

    def broken(folder):
        raise RuntimeError("a bug")

    monkeypatch.setattr(metrics, "read_metrics", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        jattn("info", "runs/null")
