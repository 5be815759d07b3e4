"""The documents hold: code runs and prints what they say; commands, options, links, paths and names are real; no name
is left out.

A Python block runs unless it is marked `python no-run`; the blocks of a page share one namespace, from top to bottom.
A line `# -> text` claims that the page prints that text.
"""

import re
import shlex
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from analysis import chapters, cli
from analysis.capture.truth import SCORED
from analysis.chapter_type import Measurements, Reading, Results
from analysis.comparison import Comparison
from analysis.estimates import estimates_of
from analysis.measures.readouts import READOUTS
from analysis.report import tables
from jattn.errors import InputError
from jattn.kernels.select import KERNELS
from jattn.model import parameter_shapes
from jattn.variants import NULLS, PARTS, parse_attention
from tests.configs import model_config
from tests.mentions import FENCED, lost_dotted, lost_imports, lost_names, lost_paths, lost_words, not_there
from tests.test_arrows import ROOMS
from train import corpora
from train.commands import configs
from train.config import RunConfig, field_types
from train.presets import PRESETS
from train.runs import Run

ROOT = Path(__file__).parents[1]
TEXT = {
    str(f.relative_to(ROOT)): f.read_text(encoding="utf-8") for f in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
}
PAGES = [page for page in TEXT if page != "CHANGELOG.md"]  # which tells of what was


def blocks(page, kind):
    """The contents of a page's fenced blocks whose first line names that kind."""
    return [body for info, body in FENCED.findall(TEXT[page]) if info.strip() == kind]


def coded(page):
    """Everything on a page that is set as code, inline or in a block."""
    prose = FENCED.sub("", TEXT[page])
    return " ".join(chain(re.findall(r"`([^`]+)`", prose), (body for _, body in FENCED.findall(TEXT[page]))))


def missing(names, page):
    """The names that no code on the page mentions as a whole word."""
    text = coded(page)
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


# Code and commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in TEXT if blocks(page, "python")])
def test_code_of_a_page_runs_and_prints_what_the_page_says(page, capsys):
    code = "\n".join(blocks(page, "python"))
    exec(compile(code, page, "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^ *# -> (.*)$", code, re.MULTILINE)


COMMAND = re.compile(r"^(?:.*bin/)?jattn (.*)$", re.MULTILINE)
COMMANDS = sorted({command for page in TEXT for block in blocks(page, "") for command in COMMAND.findall(block)})


@pytest.mark.parametrize("command", COMMANDS)
def test_command_on_a_page_is_understood(command):
    name, *words = shlex.split(command, comments=True)
    given = cli.commands().commands[name].make_context(name, words).params
    if name == "train" and "init_from" not in given:
        asked = {n: given[n] for n in ("preset", "attention", "seeds") if n in given}
        assert all(parse_attention(c.model.attention) for c in configs(given.get("changes", {}), **asked))


def test_pages_show_every_command_that_makes_something():
    assert {"demo", "train", "compare"} <= {command.split()[0] for command in COMMANDS}


def test_options_on_the_pages_are_fields():
    named = set(re.findall(r"--((?:model|data|optimizer)\.[a-z_.]*[a-z_])", "".join(TEXT.values())))
    assert len(named) > 5 and named - set(field_types()) == set()


# Links ---------------------------------------------------------------------------------------------------------------


def anchors(page):
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", TEXT[page]), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TEXT)
def test_relative_links_resolve(page):
    prose = FENCED.sub("", TEXT[page])
    for link in re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r"(?:href|src)=\"([^\"]+)\"", prose):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), f"{page}: {link}"


# Names ---------------------------------------------------------------------------------------------------------------


def test_attention_page_names_every_part_of_the_attention_string_every_null_kernel_and_score():
    scores = ("SoftCap", "Alibi", "LogSigmoid", "chain")
    masks = ("causal", "bidirectional", "window", "first_window", "documents")
    assert missing([*PARTS, *NULLS, *KERNELS, *scores, *masks], "docs/attention.md") == []


def test_attention_strings_in_the_tables_are_accepted_or_refused_as_told():
    accepted, refused = TEXT["docs/attention.md"].partition("## The attention string")[2].split("### Refused")
    rows = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
    assert len(rows.findall(accepted)) > 10 and len(rows.findall(refused)) > 10
    for text in rows.findall(accepted):
        assert parse_attention(text)
    for text in rows.findall(refused):
        with pytest.raises(InputError):
            parse_attention(text)


def test_measures_page_names_every_measure_and_readout():
    pages = "\n".join(text for page, text in TEXT.items() if page.startswith("docs/measures/"))
    told = [re.sub(r"<[a-z ]+>", ".+", name) for name in re.findall(r"`([\w<> -]+)`", pages)]  # `probe_<fact>` is all
    for name in chapters.NAMES:
        measures = chapters.chapter(name).measures
        assert [m for m in measures if not any(re.fullmatch(pattern, m) for pattern in told)] == [], name
    assert [READOUTS[name] for name in SCORED if f"| {READOUTS[name]} |" not in pages] == []


def test_presets_and_corpora_are_named():
    assert missing([*PRESETS, *corpora.ROWS, *corpora.TEXTS], "docs/adding-a-variant.md") == []


EVERYTHING = [
    {"attention": "key_value+gate+value_bias", "token_types": 2, "output__tied": False, "positions": "learned"},
    {"attention": "token", "norm__position": "post", "mlp__activation": "swiglu", "bias__mlp": True, "bias__qkv": True},
    {"norm__kind": "layernorm", "bias__norm": True, "bias__out": True},
]


def test_run_format_page_names_every_parameter():
    config = {"vocab_size": 7, "context": 4, "layers": 1, "heads": 2, "width": 4}
    names = {n for changes in EVERYTHING for n in parameter_shapes(model_config(**config, **changes))}
    assert missing([name.replace("blocks.0.", "blocks.<i>.") for name in sorted(names)], "docs/run-format.md") == []


def test_run_format_page_names_every_column():
    """Of the tables of a comparison with one run of one head, made up."""
    run = Run(Path("run"), 1, RunConfig(), {}, {})
    measured = Measurements(
        None, heads={"alpha_1": np.ones((1, 1, 1))}, layers={"residual_norm_ratio": np.ones((1, 1))}
    )
    results = Results({"a": [run]}, {"a": [measured]}, Reading(np.ones((1, 2)), 1, "text"), {"a": "#000000"})
    estimates = estimates_of(results, ["alpha_1"], "a")
    made_up = Comparison(
        "title", {"a": [run]}, [chapters.chapter("text")], {"text": results}, estimates, {}, results.reading, [], []
    )
    columns = {*tables.measures_table(made_up)[0], *tables.heads_table(made_up)[0]}
    assert missing(columns, "docs/run-format.md") == []


# Where things are ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_paths_and_names_that_a_page_mentions_are_there(page):
    assert not_there(TEXT[page]) == []


def test_what_is_not_there_is_found():
    paths = "`jattn/nothing.py`, `analysis/chapters/*.txt`, `nothing.py`, `jattn/masks.py`, `select.py`"
    assert lost_paths(paths) == ["jattn/nothing.py", "analysis/chapters/*.txt", "nothing.py"]
    names = "`Mask.visible`, `Mask` and `NOWHERE` in\n`jattn/masks.py`, `TITLES` of `select.py`"
    assert [*lost_names(names)] == ["NOWHERE in jattn/masks.py", "TITLES in select.py"]
    dotted = "`train.lode(path)` `sinks.alfa` `Mask.seen` `model.layers` `sinks.alpha` `jattn.load`"
    assert [*lost_dotted(dotted)] == ["train.lode", "sinks.alfa", "Mask.seen"]
    assert [*lost_words("`TITELS`, `NullKinds`, `alfa(k)`; `KERNELS`, `ModelConfig`, `alpha(weights, k)`")] == [
        *("TITELS", "NullKinds", "alfa"),
    ]
    page = "```python no-run\nimport jax\nfrom jattn import masks, marks\nimport train.lope\n```\n"
    assert [*lost_imports(page)] == ["jattn.marks", "train.lope"]


def test_architecture_page_lists_the_rooms_in_their_order():
    rows = re.findall(r"^\| (\w+) \| ((?:`[^`]+`(?:, )?)+) \|", TEXT["docs/architecture.md"], re.MULTILINE)
    assert [(room, tuple(re.findall(r"`([^`]+)`", files))) for room, files in rows] == list(ROOMS.items())
