"""The page: one file, nothing from the network, nothing that text could smuggle in; figures that open."""

import csv
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import analysis
from analysis.report import findings
from analysis.report.page import write
from analysis.stats import Interval
from analysis.viewer.page import FRAME_RIGHTS, script_hash

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def folder(language, text, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    groups = {"standard": [language["standard"]], HOSTILE: [language["null"]]}
    # Chapters with a table, cards and pictures of each kind; test_comparison reads every one.
    first = analysis.compare(groups, title="Language", windows=8, only=["text", "dormancy", "shape"])
    second = analysis.compare(
        standard=[text["standard", 0]], null=[text["null+local:4", 0]], title="Text", windows=8, only=[]
    )
    write([first.told, second.told], out, lesson=True)
    return out


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_runs_nothing_outside_the_frame_of_the_interactive_page(page):
    parser = Tags()
    parser.feed(page)
    names = {tag for tag, _ in parser.tags}
    assert not names & {"script", "link", "object", "embed"}
    for _, attributes in parser.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:").startswith("data:")
    policy = [a["content"] for _, a in parser.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy and "default-src 'none'" in policy[0]
    assert policy[0].count("script-src") == 1 and f"script-src '{script_hash()}'" in policy[0]
    frames = [attributes for tag, attributes in parser.tags if tag == "iframe"]
    assert [frame["sandbox"] for frame in frames] == [FRAME_RIGHTS] * 2 and "allow-same-origin" not in FRAME_RIGHTS


def test_the_interactive_page_in_the_report_is_the_one_beside_it(page, folder):
    parser = Tags()
    parser.feed(page)
    framed = [attributes["srcdoc"] for tag, attributes in parser.tags if tag == "iframe"]
    assert framed == [(folder / f"{i}-attention.html").read_text(encoding="utf-8") for i in (1, 2)]


def test_names_from_outside_stay_text(page):
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_figures_are_png_files_and_stand_in_the_page(folder, page):
    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == page.count('src="data:image/png') >= 8
    assert all(p.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for p in pictures)


def test_the_same_numbers_stand_in_json_csv_and_page(folder, page):
    told = json.loads((folder / "comparison.json").read_text())
    value = next(r for r in told[1]["measures"] if (r["measure"], r["group"]) == ("valid_loss", "null"))["value"][
        "mean"
    ]
    with (folder / "measures.csv").open() as file:
        rows = [
            r
            for r in csv.DictReader(file)
            if (r["comparison"], r["measure"], r["group"]) == ("Text", "valid_loss", "null")
        ]
    assert float(rows[0]["mean"]) == value
    assert f"{value:.4f}" in page


def test_a_newcomer_is_told_what_a_null_is_before_the_numbers(page):
    text = re.sub("<[^>]+>", " ", page)
    assert (
        text.index("In short")
        < text.index("What null attention is")
        < text.index("1. Language")
        < text.index("2. Text")
    )
    assert "Where it did nothing" in text


def test_a_null_that_is_no_better_is_said_first(language):
    c = analysis.compare(standard=[language["standard"]], null=[language["null"]], windows=8, only=[])
    verdict = findings.verdict(c)
    null = c.truths["null"][0].scores["null"]
    best = [max(s[i] for s in c.truths["standard"][0].scores.values()) for i in (0, 2)]
    better = [null[0] - best[0] > findings.LEVEL, null[2] - best[1] > findings.LEVEL]
    expected = {2: "is a better sign", 1: "is on one count a better sign", 0: "is no better a sign"}[sum(better)]
    assert expected in verdict[0]


@pytest.mark.parametrize(
    ("difference", "unit", "same"),
    [
        (Interval(0.5, -0.1, 1.1, 3), "nats", True),
        (Interval(0.001, 0.0005, 0.0015, 3), "nats", False),
        (Interval(0.019, None, None, 1), "nats", True),
        (Interval(-0.03, None, None, 1), "nats", False),
        (Interval(0.9, None, None, 1), "tokens", True),
    ],
)
def test_no_change_means_an_interval_with_zero_or_a_small_size_named_in_advance(difference, unit, same):
    assert findings.no_change(difference, unit) is same


def test_a_notebook_shows_the_page_in_a_frame_without_rights(text):
    c = analysis.compare(standard=[text["standard", 0]], windows=8, only=[])
    shown = replace(c, title=HOSTILE)._repr_html_()
    assert shown.startswith("<iframe") and f'sandbox="{FRAME_RIGHTS}"' in shown and "<img src=x" not in shown
    inside = html.unescape(shown)
    policies = re.findall("script-src '(.*?)'", inside) + re.findall("script-src '(.*?)'", html.unescape(inside))
    assert set(policies) == {script_hash()}
