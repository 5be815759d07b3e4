"""The demo as a user runs it, on parts of a few steps and a few windows."""

from functools import partial
from typing import get_args

import pytest

from analysis import demo
from analysis.cli import main
from analysis.report import compare
from train.config import override

SHAPE = {"steps": 6, "eval_every": 6, "save_every": 6, "data.batch": 4}
SHAPE |= {"model.context": 16, "model.width": 16, "model.layers": 1}


@pytest.fixture
def short(monkeypatch):
    real = demo.parts

    def parts(size):
        """The language and the text, a pair of each."""
        language, *_, text = real(size)
        return [
            demo.Part(c.title, c.name, override(c.config, SHAPE), dict(list(c.groups.items())[:2]))
            for c in (language, text)
        ]

    monkeypatch.setattr(demo, "parts", parts)
    monkeypatch.setattr(compare, "compare", partial(compare.compare, windows=8))


def test_demo_trains_compares_and_prints_the_report_last(short, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip().splitlines()[-1] == str(out / "report.html")
    assert (out / "report.html").stat().st_size > 100_000
    assert len(list((out / "runs").iterdir())) == 4
    assert "run 4 of 4" in printed.err and "left" in printed.err and "\x1b" not in printed.err

    assert main(["demo", "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err

    (out / "report.html").unlink()
    assert main(["demo", "--out", str(out), "--resume"]) == 0
    assert (out / "report.html").exists()
    assert "run 1 of 4" not in capsys.readouterr().err


def test_quick_demo_is_one_pair_a_part_and_says_that_it_is_quick(short, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--quick", "--out", str(out)]) == 0
    assert "run 4 of 4" in capsys.readouterr().err
    assert "The quick form: few steps, one seed" in (out / "report.html").read_text(encoding="utf-8")
    assert main(["demo", "--quick", "--full", "--out", str(out)]) == 2
    assert "--quick and --full exclude each other" in capsys.readouterr().err


def test_quick_demo_takes_fewer_steps_than_the_usual_one_on_the_same_texts():
    quick, usual = ({p.name: p.config for p in demo.parts(size)} for size in ("quick", "usual"))
    assert quick.keys() < usual.keys() and all(quick[name].steps < usual[name].steps for name in quick)
    assert all(quick[name].data == usual[name].data for name in quick)


def test_demo_leaves_a_folder_that_is_no_demo_alone(short, tmp_path, capsys):
    keep = tmp_path / "thesis.txt"
    keep.write_text("years of work")
    assert main(["demo", "--out", str(tmp_path), "--overwrite"]) == 2
    assert keep.read_text() == "years of work"


@pytest.mark.parametrize("size", get_args(demo.Size))
def test_every_part_differs_in_attention_alone(size):
    for part in demo.parts(size):
        configs = [override(part.config, {"model.attention": a}) for a in part.groups.values()]
        assert {override(c, {"model.attention": "standard"}) for c in configs} == {part.config}
        assert next(iter(part.groups.values())) == "standard"
