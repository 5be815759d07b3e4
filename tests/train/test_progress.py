"""What a person sees: plain lines now and then where there is no terminal, a live bar where there is one."""

import io

import pytest
from rich.console import Console

from train import progress
from train.progress import Bar, clock, ticking, words

ESCAPE = "\x1b"


def plain():
    return Console(file=io.StringIO(), force_terminal=False)


@pytest.fixture
def now(monkeypatch):
    """A clock that stands until it is moved: now[0] is the time in seconds."""
    time = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: time[0])
    return time


def test_without_a_terminal_lines_come_every_ten_seconds_and_at_the_end(now, capsys):
    with Bar("run", 100, console=plain()) as bar:
        for done in range(1, 101):
            now[0] = 0.5 * done
            bar.update(done, loss=3.0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["20/100", "40/100", "60/100", "80/100", "100/100"]
    assert ESCAPE not in "".join(lines)


def test_time_left_is_the_time_so_far_over_the_steps_so_far(now, capsys):
    with Bar("run", 100, start=40, console=plain()) as bar:
        now[0] = 20.0
        bar.update(50, loss=2.5)
    assert capsys.readouterr().err == "run: 50/100 loss 2.500 1:40 left\n"


def test_notes_are_lines_of_their_own(capsys):
    with Bar("run", 10, console=plain()) as bar:
        bar.note("step 5  validation loss 2.5000")
    assert capsys.readouterr().err == "step 5  validation loss 2.5000\n"


def test_on_a_terminal_there_is_a_bar_with_its_facts_and_notes_stay_above_it(capsys):
    console = Console(file=(written := io.StringIO()), force_terminal=True, width=200)
    with Bar("run", 10, console=console) as bar:
        bar.update(5, loss=3.0, null_mass=0.25)
        bar.note("a [note] with brackets")
    shown = written.getvalue()
    assert ESCAPE in shown and "5/10" in shown and "loss 3.000  null mass 0.250" in shown
    assert "a [note] with brackets\n" in shown
    assert capsys.readouterr().err == ""


def test_total_may_grow_while_it_goes(now, capsys):
    with Bar("reading", 1, console=plain()) as bar:
        bar.total = 4
        bar.update(4)
    assert "4/4" in capsys.readouterr().err


def test_a_notebook_has_one_line_that_is_rewritten_and_notes_stay(now, capsys):
    with Bar("reading", 4, console=Console(file=io.StringIO(), force_jupyter=True)) as bar:
        for done in range(1, 4):
            now[0] = 0.4 * done
            bar.update(done)
        bar.note("a note")
        bar.update(4)
    shown = capsys.readouterr().err
    assert [part.strip().partition(" left")[0] for part in shown.split("\r")] == [
        *("", "reading: 2/4  0:01", "a note", "reading: 4/4  0:00"),
    ]
    assert shown.count("\n") == 2 and ESCAPE not in shown


@pytest.mark.parametrize(
    ("progress", "terminal", "notebook", "shows"),
    [
        *((None, False, False, False), (None, True, False, True), (None, False, True, True)),
        *((True, False, False, True), (False, True, True, False)),
    ],
)
def test_steps_are_told_in_a_terminal_and_a_notebook_unless_it_is_said(
    progress, terminal, notebook, shows, monkeypatch, capsys
):
    console = Console(file=(written := io.StringIO()), force_terminal=terminal, force_jupyter=notebook, width=120)
    monkeypatch.setattr("train.progress.Console", lambda **_: console)
    with ticking(progress, "Comparison") as tick:
        tick("text, null", 2, 2)
    shown = capsys.readouterr().err + written.getvalue()
    assert ("Comparison" in shown and "2/2" in shown and "text, null" in shown) == shows
    assert shows or not shown


def test_a_function_of_ones_own_is_called_instead(capsys):
    seen = []
    with ticking(lambda *told: seen.append(told), "Comparison") as tick:
        tick("text, null", 1, 2)
    assert seen == [("text, null", 1, 2)] and capsys.readouterr().err == ""


def test_facts_are_words_and_what_is_absent_is_left_out():
    assert words({"loss": 3.2141, "null_mass": None, "lr": 0.0003, "tokens/s": "21,000"}) == (
        "loss 3.214  lr 0.0003  tokens/s 21,000"
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3599.0, "59:59"), (3600.0, "1:00:00"), (90061.0, "25:01:01")],
)
def test_clock_shows_hours_only_where_there_are_some(seconds, shown):
    assert clock(seconds) == shown
