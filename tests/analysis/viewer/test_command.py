"""`jattn view`: writes the page, opens it, prints its path last; a mistake is one line."""

import webbrowser

import pytest

from analysis.cli import main
from tests.analysis.viewer.conftest import Read


@pytest.fixture
def run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return str(text["null+local:4", 0].path)


@pytest.fixture
def opened(monkeypatch):
    found = []
    monkeypatch.setattr(webbrowser, "open", found.append)
    return found


def page(path):
    from analysis.viewer.page import Page

    return Read(Page("", path.read_text(encoding="utf-8")))


def test_it_writes_and_opens_the_page_and_prints_its_path_last(run, opened, tmp_path, capsys):
    assert main(["view", f"mine={run}", "--text", "the cat"]) == 0
    path = tmp_path / "attention.html"
    assert capsys.readouterr().out.splitlines()[-1] == "attention.html"
    assert opened == [path.as_uri()]
    assert page(path).sides[0]["name"] == "mine"


def test_options_reach_the_page_and_the_command_repeats_them(run, opened, tmp_path):
    words = ["view", run, "--text", "the cat", "--text-b", "on a mat", "--layers", "1", "--precision", "display"]
    assert main([*words, "--neurons", "1.0,1.1", "--out", "new/p.html", "--no-open"]) == 0
    read = page(tmp_path / "new" / "p.html")
    assert opened == []
    (layer,) = read.sides[0]["layers"]
    assert layer["number"] == 1 and layer["coding"]["bits"] == 8 and all(h["neuron"] for h in layer["heads"])
    assert read.payload["texts"][0]["split"] == len("the cat ")
    command = read.payload["command"]
    assert command.startswith(f"jattn view {run} --text 'the cat' --text-b 'on a mat' --layers 1")
    assert command.endswith(" --neurons {heads}") and command.count("--neurons") == 1


def test_a_text_may_stand_in_a_file(run, opened, tmp_path):
    (tmp_path / "text.txt").write_text("the mat", encoding="utf-8")
    assert main(["view", run, "--file", "text.txt", "--no-open"]) == 0
    assert page(tmp_path / "attention.html").payload["texts"][0]["queries"]["text"] == list("the·mat")


def test_runs_with_the_same_name_are_told_apart_by_their_paths(run, opened, tmp_path):
    import shutil

    for folder in ("a", "b"):
        shutil.copytree(run, tmp_path / folder / "run")
    assert main(["view", "a/run", "b/run", "--text", "the cat", "--no-open"]) == 0
    assert [s["name"] for s in page(tmp_path / "attention.html").sides] == ["a/run", "b/run"]


WRONG = [
    (["--text", ""], "text: is empty"),
    ([], "give the text with --text"),
    (["--text", "a", "--file", "b"], "not with both"),
    (["--file", "nothing.txt"], "--file: 'nothing.txt' cannot be read"),
    (["--text", "the cat sat on the mat"], "22 tokens are more than the context of"),
    (["--text", "é"], "is not among the"),
    (["--text", "a", "--neurons", "7.0"], "there is no head 7.0"),
    (["--text", "a", "--neurons", "x"], "'x' is no head"),
    (["--text", "a", "--steps", "7"], "has no checkpoint at step 7; it has 12"),
    (["--text", "a", "--steps", "x"], "--steps: 'x' is no list of numbers"),
    (["--text", "a", "--layers", "9"], "there is no layer 9"),
    (["--text", "a", "--limit-mb", "x"], "--limit-mb"),
    (["--text", "a", "--limit-mb", "0"], "limit_mb must be > 0"),
    (["--text", "a", "--precision", "high"], "unknown value 'high'"),
    (["--text", "a", "--out", "."], "--out: '.' is a folder"),
    (["--text", "a", "--neurns", "1.0"], "did you mean --neurons?"),
    (["other=no/run", "--text", "a"], "run 'no/run' does not exist"),
    (["m=x", "m=y", "--text", "a"], "two runs are called 'm'"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[" ".join(w)[:30] or "no text" for w, _ in WRONG])
def test_a_mistake_is_one_line(words, message, run, opened, tmp_path, capsys):
    assert main(["view", run, *words, *([] if "--out" in words else ["--no-open"])]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("jattn: ") and error.count("\n") == 1
    assert not list(tmp_path.glob("*.html")) and opened == []


def test_help_imports_no_jax():
    import subprocess
    import sys

    code = "import sys, analysis.viewer.command; raise SystemExit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
