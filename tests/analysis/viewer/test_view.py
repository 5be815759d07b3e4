"""`analysis.view`: what it takes, what it says, and that a page of a run shows that run."""

import shlex

import numpy as np
import pytest

import analysis
from analysis.report.attention_page import comparison_page
from analysis.viewer import codec
from analysis.viewer.show import parse_heads
from jattn.errors import InputError
from tests.analysis.viewer.conftest import Read, attention, made

TEXT = "the cat sat"


@pytest.fixture(scope="module")
def runs(text):
    return {"standard": text["standard", 0], "null": text["null+local:4", 0]}


def test_a_page_of_runs_shows_what_they_attend_to(runs):
    read = Read(analysis.view(runs, text=TEXT))
    assert [side["name"] for side in read.sides] == ["standard", "null"]
    for i, run in enumerate(runs.values()):
        whole = np.asarray(run.attention(TEXT))
        for layer, head in np.ndindex(whole.shape[:2]):
            weights = whole[layer, head, :, 1:]
            found = read.map(i, layer, head)
            assert (np.abs(found - weights) <= codec.bound(weights, 16) + 1e-6).all()
    null = read.floats(1, read.sides[1]["null_mass"]).reshape(2, 2, len(TEXT))
    np.testing.assert_allclose(null, whole[..., 0], atol=1e-6)
    assert read.sides[1]["layers"][0]["coding"]["shape"] == "band"
    assert read.payload["texts"][0]["queries"]["text"] == list("the·cat·sat")


def test_paths_and_runs_are_alike_and_the_command_writes_the_page_again(runs):
    run = runs["null"]
    a, b = Read(analysis.view(run, text=TEXT)), Read(analysis.view(str(run.path), text=TEXT))
    assert a.payload == b.payload and a.blobs == b.blobs
    assert a.payload["command"] == f"jattn view {run.path} --text '{TEXT}' --neurons {{heads}}"
    assert ["standard: run", str(runs["standard"].path)] in Read(analysis.view(runs, text=TEXT)).payload["provenance"]


def test_steps_of_a_run_stand_beside_each_other(runs):
    read = Read(analysis.view({"null": runs["null"].path}, text=TEXT, steps="all"))
    assert [(side["run"], side["step"]) for side in read.sides] == [("null", 12)]
    with pytest.raises(InputError, match="has no checkpoint at step 5; it has 12"):
        analysis.view(runs["null"], text=TEXT, steps=[5])


def test_arrays_need_no_run():
    weights = np.stack([attention(2, 5, seed=i)[0] for i in range(3)])
    page = analysis.view(weights, tokens=list("abcde"))
    assert len(Read(page).sides[0]["layers"]) == 3 and Read(page).payload["command"] == ""
    pair = analysis.view({"a": weights, "b": weights[::-1]}, tokens=list("abcde"), title="two")
    assert [s["name"] for s in Read(pair).sides] == ["a", "b"] and pair.title == "two"


def test_attention_and_runs_may_be_mixed(runs):
    weights = attention(2, len(TEXT))[0]
    things = [runs["null"], {"mine": [weights], "another": made("made")}]
    read = Read(analysis.view(*things, text=TEXT, tokens=list(TEXT)))
    assert [s["name"] for s in read.sides][1:] == ["mine", "another"]
    assert [s["text"] for s in read.sides] == [0, 0, 1]
    assert any("different tokens" in note for note in read.payload["notes"])


def test_notes_say_what_the_numbers_are(runs, sigmoid_run):
    notes = Read(analysis.view(runs, text=TEXT)).payload["notes"]
    assert any(note.startswith("Statistics and classes describe this text alone") for note in notes)
    assert any("Jensen-Shannon" in note for note in notes) and any("by the form" in note for note in notes)
    notes = Read(analysis.view(sigmoid_run, text=TEXT)).payload["notes"]
    assert any("do not sum to 1" in note for note in notes) and not any("Jensen" in note for note in notes)


WRONG = [
    (lambda r: analysis.view(text=TEXT), "nothing to show"),
    (lambda r: analysis.view(r["null"]), "a run needs a text"),
    (lambda r: analysis.view(np.zeros((1, 1, 2, 2))), "needs tokens="),
    (lambda r: analysis.view("no/such/run", text=TEXT), "does not exist"),
    (lambda r: analysis.view(r["null"], r["null"], text=TEXT), "two are called"),
    (lambda r: analysis.view(r["null"], text=TEXT, neurons="9.0"), "there is no head 9.0"),
    (lambda r: analysis.view(r["null"], text=TEXT, neurons="3-5"), "'3-5' is no head"),
    (lambda r: analysis.view(r["null"], text=TEXT, layers=[2]), "there is no layer 2"),
    (lambda r: analysis.view(made(), limit_mb=0.0), "limit_mb must be > 0"),
    (lambda r: analysis.view(r["null"], text=TEXT, tokens=list(TEXT)), "tokens: is for arrays"),
    (lambda r: analysis.view(made(), layers=[0]), "layers: is for runs, and there is none"),
    (lambda r: analysis.view(made(), neurons="0.0"), "head 0.0 comes without queries and keys"),
    (lambda r: analysis.view(made(), limit_mb=0.1), "limit_mb: 0.1 MB is too small; .* alone take about"),
    (lambda r: analysis.view(made(), precision="best"), "precision: unknown value 'best'"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[m for _, m in WRONG])
def test_what_cannot_be_shown_is_refused_in_one_line(runs, call, message):
    with pytest.raises(InputError, match=message) as error:
        call(runs)
    assert "\n" not in str(error.value)


def test_a_model_of_another_library_has_no_steps(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(InputError, match=r"steps: .* has no steps"):
        analysis.view(tmp_path, text=TEXT, steps="all")


def test_heads_are_written_layer_dot_head():
    assert parse_heads("3.5, 4.0") == [(3, 5), (4, 0)]


def test_a_comparison_shows_the_maps_that_it_kept(runs):
    comparison = analysis.compare({g: [r] for g, r in runs.items()}, windows=8, only=["text"])
    page = comparison_page(comparison)
    read = Read(page)
    assert page.title == comparison.title and [s["name"] for s in read.sides] == ["standard", "null"]
    kept = [comparison.records[g][0].maps for g in runs]
    weights = [maps[w] for maps in kept[:1] for w in range(len(maps))]
    shown = np.stack([[read.map(0, i, n) for n in range(2)] for i in range(2)])
    assert min(np.abs(shown - w[..., 1:]).max() for w in weights) < 1e-4, "one of the windows, as it was kept"
    assert len(page.html) < 3e6 and all(h["neuron"] for side in read.sides for x in side["layers"] for h in x["heads"])
    command = shlex.split(read.payload["command"])
    text = command[command.index("--text") + 1]
    assert len(comparison.groups["null"][0].encode(text)[0]) == shown.shape[-1], "the text that is shown"
