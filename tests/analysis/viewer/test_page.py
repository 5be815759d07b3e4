"""The page holds its data as data: whatever tokens and names say, its parts stay what they are."""

import re
from base64 import b64encode
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.viewer import page as module
from analysis.viewer.page import Page, as_json
from analysis.viewer.show import draw
from jattn.errors import InputError
from tests.analysis.viewer.conftest import Parts, Read, made

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--",
    "<!--payload-->",
    "--!>",
    "<script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "\u2028\u2029",
    "\u202ereversed\u202c",
    "a\x00b\x1b[31m",
    "\ud800",
    "\udfff\ud800",
    "x" * 10_000,
    "'\"`\\",
    "${alert(1)}",
    "{heads}",
    "]]>",
    "\ufeff",
    "👩‍🚀",
]


@pytest.fixture(scope="module")
def hostile():
    side = made(HOSTILE[0], L=1, N=1, T=len(HOSTILE), tokens=HOSTILE, word_classes=HOSTILE, split=3)
    return draw([side], title=HOSTILE[0] + HOSTILE[10], command="jattn view '</script>' --neurons {heads}")


def skeleton(page):
    """Elements and attributes, without what is inside them."""
    return [(tag, tuple(sorted(attrs))) for tag, attrs, _ in Parts(page.html).elements]


def test_hostile_strings_leave_the_page_as_it_is(hostile):
    tame = draw([made(L=1, N=1, T=len(HOSTILE), split=3)])
    assert skeleton(hostile) == skeleton(tame)


def test_hostile_strings_arrive_as_they_are_shown(hostile):
    from analysis.viewer import words

    read = Read(hostile)
    assert read.payload["texts"][0]["queries"]["text"] == [words.shown(t) for t in HOSTILE]
    assert read.payload["title"] == "</script><script>alert(1)</script>‹D800›"
    assert read.payload["command"] == "jattn view '</script>' --neurons {heads}"
    assert [p[0] for p in read.parts.elements if p[1].get("id") == "payload"] == ["script"]


def test_a_page_of_hostile_strings_can_be_written(hostile, tmp_path):
    path = hostile.write(tmp_path / "new folder" / "p.html")
    assert path.read_bytes().decode() == hostile.html
    assert hostile.html.isprintable() or not re.search("[\x00-\x08\u202a-\u202e\ud800-\udfff]", hostile.html)


@given(st.recursive(st.text() | st.none() | st.integers(-9, 9), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_json_says_the_same_in_letters_that_end_nothing(value):
    import json

    text = as_json(value)
    assert json.loads(text) == value
    assert text.isascii() and not set("<>&") & set(text)


def test_numbers_that_json_does_not_have_are_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        as_json([float("nan")])


def test_only_the_program_in_the_page_may_run_and_nothing_be_fetched(hostile):
    parts = Parts(hostile.html)
    (policy,) = [a["content"] for tag, a, _ in parts.elements if a.get("http-equiv") == "Content-Security-Policy"]
    (program,) = ["".join(text) for tag, attrs, text in parts.elements if tag == "script" and "type" not in attrs]
    digest = b64encode(sha256(program.encode()).digest()).decode()
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules == {
        "default-src": ["'none'"],
        "script-src": [f"'sha256-{digest}'"],
        "style-src": ["'unsafe-inline'"],
        "img-src": ["data:", "blob:"],
    }
    assert program == (module.HERE / "viewer.js").read_text(encoding="utf-8").strip()
    assert not [a for _, a, _ in parts.elements if "src" in a or "href" in a]


def test_a_notebook_shows_it_in_a_frame_without_the_notebooks_rights(hostile):
    (frame,) = Parts(hostile._repr_html_()).elements
    tag, attrs, _ = frame
    assert tag == "iframe" and attrs["sandbox"] == "allow-scripts allow-downloads"
    assert attrs["srcdoc"] == hostile.html


def test_a_folder_is_no_place_for_a_page(tmp_path):
    with pytest.raises(InputError, match=r"is a folder; name a file in it"):
        Page("t", "<html>").write(tmp_path)


def test_a_program_that_would_end_its_own_element_is_refused(tmp_path, monkeypatch):
    for name in ("viewer.js", "viewer.css"):
        (tmp_path / name).write_text("x = '</SCRIPT>'")
    monkeypatch.setattr(module, "HERE", tmp_path)
    with pytest.raises(ValueError, match="the end of its own element"):
        draw([made(L=1, N=1, T=3)])


def test_what_is_packed_is_not_read_as_a_place_in_the_template(hostile):
    assert Read(hostile).payload["texts"][0]["queries"]["text"][2] == "<!--payload-->"
    assert np.isfinite(Read(hostile).map(0, 0, 0)).all()
