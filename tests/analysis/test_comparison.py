"""Groups of runs compared: what is averaged over what, what is refused, what is said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis import chapters
from analysis.report.compare import check_names
from analysis.report.tables import heads_table, measures_table, to_json
from analysis.stats import paired
from jattn.errors import InputError
from jattn.model import count_parameters
from train.corpora.split import text_corpus


@pytest.fixture(scope="module")
def comparison(text):
    groups = {a: [text[a, 0], text[a, 1]] for a in ("standard", "null+local:4")}
    return analysis.compare(groups, windows=8, only=[])


def test_a_value_is_the_mean_over_heads_windows_and_seeds(comparison):
    records = comparison.records["null+local:4"]
    expected = np.mean([r.per_head()["null_share"].mean() for r in records])
    assert comparison.estimate("null_share", "null+local:4").value.mean == pytest.approx(expected)


def test_a_difference_is_paired_by_seed(comparison, text):
    losses = [[text[a, s].meta["valid_loss"] for s in (0, 1)] for a in ("null+local:4", "standard")]
    assert comparison.estimate("valid_loss", "null+local:4").difference == paired(*losses)
    assert comparison.estimate("valid_loss", "standard").difference is None


def test_the_largest_head_is_the_largest(comparison):
    tops = [np.nanmax(r.per_head()["previous"]) for r in comparison.records["standard"]]
    assert comparison.estimate("previous", "standard").best_head == pytest.approx(np.mean(tops))


def test_paths_globs_and_runs_name_the_same_groups(text, comparison):
    folder = text["standard", 0].path.parent
    again = analysis.compare(
        standard=str(folder / "*-standard-*"),
        null=[str(folder / "tiny-null+local4-s0"), text["null+local:4", 1]],
        windows=8,
        only=[],
    )
    assert (
        again.estimate("valid_loss", "null").difference == comparison.estimate("valid_loss", "null+local:4").difference
    )


def test_every_chapter_is_read_and_shown_or_says_why_not(text, tmp_path):
    """Two groups of two seeds, so that agreement has a pair: rows of every chapter that was read, and its heading."""
    groups = {name: [text[name, 0], text[name, 1]] for name in ("standard", "null+local:4")}
    c = analysis.compare(groups, windows=8)
    told = {line.split(",")[0] for line in c.left_out}
    for name in chapters.NAMES:
        chapter = chapters.chapter(name)
        assert (name in c.results) or chapter.title in told, name
        assert name not in c.results or any(c.has(measure) for measure in chapter.measures), name
    page = c.write(tmp_path).read_text(encoding="utf-8")
    assert all(chapters.chapter(name).title in page for name in c.results if name != "text")
    assert c.find("head_agreement", "standard") is not None and c.find("cause_nats", "null+local:4") is not None


@pytest.mark.parametrize("only", [["txet"], [""]])
def test_unknown_chapters_are_refused_by_name(text, only):
    with pytest.raises(InputError, match="chapter: unknown value"):
        analysis.compare(standard=[text["standard", 0]], only=only)


def test_chapters_may_be_named_as_on_the_command_line(text):
    c = analysis.compare(standard=[text["standard", 0]], windows=8, only="dormancy,text")
    assert list(c.results) == ["text", "dormancy"]


@pytest.mark.parametrize(
    ("keyword", "value", "says"),
    [
        ("window", 3, "'window' is no argument, and 3 is no group .*; did you mean windows"),
        ("chapter", None, "'chapter' is no argument, and None is no group .*; the arguments are groups, title, only"),
        ("token", [8], r"'token' is no argument, and \[8\] is no group .*; did you mean tokens"),
    ],
)
def test_a_keyword_that_is_no_argument_and_no_group_is_said_to_be_one(keyword, value, says):
    """Asked directly: in tests the types of `compare` are checked before it can say so."""
    with pytest.raises(InputError, match=says) as told:
        check_names({"standard": ["runs/a"], "null": Path("runs/b"), keyword: value})
    assert "\n" not in str(told.value)


def test_progress_is_a_function_of_ones_own_or_shown_where_it_is_asked_for(text, capsys):
    seen = []
    analysis.compare(a=[text["standard", 0]], windows=4, only=[], progress=lambda *told: seen.append(told))
    assert seen[-1] == ("text, a", 100, 100)
    for progress, shown in ((None, ""), (False, ""), (True, "Comparison: 100/100 group text, a")):
        analysis.compare(a=[text["standard", 0]], windows=4, only=[], progress=progress)
        assert capsys.readouterr().err.startswith(shown) and bool(shown) == (progress is True)


def test_a_group_without_runs_and_parameters_that_are_not_finite_are_refused_by_name(text):
    run = text["standard", 0]
    with pytest.raises(InputError, match="group 'a' holds no run"):
        analysis.compare(a=[])
    broken = replace(run, parameters=run.parameters | {"token_rows": run.parameters["token_rows"].at[0, 0].set(np.nan)})
    with pytest.raises(InputError, match="values of token_rows are NaN or infinite"):
        analysis.compare(standard=[broken])


def test_one_seed_carries_no_interval_and_the_page_says_so(text):
    one = analysis.compare(standard=[text["standard", 0]], null=[text["null+local:4", 0]], windows=8, only=[])
    value = one.estimate("null_share", "null").value
    assert (value.low, value.high, value.n) == (None, None, 1)
    assert any("no interval" in w for w in one.warnings)
    assert "no interval" in one._repr_html_()


def test_groups_with_other_seeds_are_named_and_only_shared_seeds_paired(text):
    c = analysis.compare(
        standard=[text["standard", 0], text["standard", 1]], null=[text["null+local:4", 1]], windows=8, only=[]
    )
    assert any("different seeds" in w for w in c.warnings)
    assert c.estimate("valid_loss", "null").difference.n == 1


def test_runs_on_other_text_with_other_tokens_are_refused(text, language):
    with pytest.raises(InputError, match="different tokenizers"):
        analysis.compare(standard=[text["standard", 0]], null=[language["null"]])


def test_windows_longer_than_the_context_are_refused(text):
    with pytest.raises(InputError, match="tokens must be at most the context"):
        analysis.compare(standard=[text["standard", 0]], tokens=64)


def test_text_that_changed_since_training_is_refused(text, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("something else entirely. " * 100)
    with pytest.raises(InputError, match="is not the one that"):
        analysis.compare(standard=[text["standard", 0]], corpus=str(other))


def test_json_is_strict_and_holds_what_recomputing_needs(comparison):
    told = json.loads(json.dumps(to_json(comparison.told), allow_nan=False))
    run = told["runs"][0]
    assert run["config"]["seed"] in (0, 1) and len(run["corpus"]["sha256"]) == 64 and "jax" in run["versions"]
    assert {row["group"] for row in told["measures"]} == {"standard", "null+local:4"}


def test_tables_hold_every_head_of_every_run(comparison):
    rows = heads_table(comparison)
    shares = [r for r in rows if r["measure"] == "null_share"]
    assert len(shares) == 2 * 2 * 2  # seeds, layers, heads of the group that has a null
    assert {r["measure"] for r in measures_table(comparison)} >= {"valid_loss", "null_share", "alpha_1", "induction"}


def test_uniform_floor_stands_beside_alpha(comparison):
    T = comparison.tokens
    harmonic = sum(1 / t for t in range(1, T + 1)) / T
    assert comparison.estimate("alpha_1", "standard").floor == pytest.approx(harmonic)


def test_repr_of_anything_that_a_notebook_holds_is_a_few_lines_and_says_what_it_is(comparison, text):
    run, results = text["standard", 0], comparison.results["text"]
    measured = results.measured["standard"][0]
    seen = analysis.Attention.of("mine", np.full((2, 3, 90, 90), 1 / 90), ["word"] * 90)
    corpus = text_corpus("corpus", [f"line {i} is a text" for i in range(200)], valid_fraction=0.1)
    values = (comparison, run, run.tokenizer, results, results.reading, measured, measured.detail, *seen.layers)
    for value in (*values, *measured.detail.heads.values(), seen, seen.tokens, corpus):
        assert len(repr(value)) < 1000 and len(repr(value).splitlines()) < 12, repr(value)[:2000]
    for group in ("standard", "null+local:4"):
        assert f"\n  {group}: 2 runs" in repr(comparison)
    assert "8 windows of 16 tokens" in repr(comparison) and "chapters: text" in repr(comparison)
    assert str(run.path) in repr(run) and "step 12" in repr(run)
    assert f"{count_parameters(run.config.model):,} parameters" in repr(run)


def test_repr_of_many_groups_with_long_names_is_no_longer(comparison):
    groups = {f"group {i}\n" + "of a long name " * 9: comparison.groups["standard"] * 20 for i in range(30)}
    told = repr(replace(comparison, groups=groups, title="a long title " * 30))
    assert len(told) < 1000 and len(told.splitlines()) < 12 and "and 25 more groups" in told
