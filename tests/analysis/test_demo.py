"""The demo as a user runs it, on parts of a few steps and a few windows."""

from functools import partial

import pytest

from analysis import comparison, demo
from analysis.cli import main
from train.config import override

SHAPE = {"steps": 6, "eval_every": 6, "save_every": 6, "data.batch": 4}
SHAPE |= {"model.context": 16, "model.width": 16, "model.layers": 1}


@pytest.fixture
def short(monkeypatch):
    real = demo.parts

    def parts(full):
        return [
            demo.Part(c.title, c.name, override(c.config, SHAPE), dict(list(c.groups.items())[:2])) for c in real(full)
        ]

    monkeypatch.setattr(demo, "parts", parts)
    monkeypatch.setattr(comparison, "compare", partial(comparison.compare, windows=8))


def test_demo_trains_compares_and_prints_the_report_last(short, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip().splitlines()[-1] == str(out / "report.html")
    assert (out / "report.html").stat().st_size > 100_000
    assert len(list((out / "runs").iterdir())) == 6
    assert "run 6 of 6" in printed.err and "left" in printed.err and "\x1b" not in printed.err

    assert main(["demo", "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err

    (out / "report.html").unlink()
    assert main(["demo", "--out", str(out), "--resume"]) == 0
    assert (out / "report.html").exists()
    assert "run 1 of 6" not in capsys.readouterr().err


def test_demo_leaves_a_folder_that_is_no_demo_alone(short, tmp_path, capsys):
    keep = tmp_path / "thesis.txt"
    keep.write_text("years of work")
    assert main(["demo", "--out", str(tmp_path), "--overwrite"]) == 2
    assert keep.read_text() == "years of work"


def test_every_part_differs_in_attention_alone():
    for part in demo.parts(full=True):
        configs = [override(part.config, {"model.attention": a}) for a in part.groups.values()]
        assert {override(c, {"model.attention": "standard"}) for c in configs} == {part.config}
        assert next(iter(part.groups.values())) == "standard"
