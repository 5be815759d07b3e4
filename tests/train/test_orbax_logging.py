"""A failed read of Orbax's is one line of ours, and what other threads say meanwhile is heard."""

import gc
import logging
import shutil
import sys
import threading

import pytest

from jattn.errors import InputError
from train.checkpoint import load
from train.orbax_logging import LOGGERS, orbax_silenced
from train.sizes import SIZES


@pytest.fixture
def unraised(monkeypatch):
    """What reaches the hook for exceptions that nobody can catch."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(str(unraisable.exc_value)))
    return seen


class Fails:
    def __del__(self):
        raise ValueError("from a thread")


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("fails", [False, True])
def test_other_threads_are_heard_while_orbax_is_not(caplog, unraised, fails):
    def speak():
        for name in (*LOGGERS, "mine"):
            logging.getLogger(name).warning(f"{name} in a thread")
        Fails()

    for name in LOGGERS:
        logging.getLogger(name).warning(f"{name} before")
    try:
        with orbax_silenced():
            in_a_thread(speak)
            for name in LOGGERS:
                logging.getLogger(name).error(f"{name} of Orbax")
            logging.getLogger("mine").warning("mine in this thread")
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    for name in LOGGERS:
        logging.getLogger(name).warning(f"{name} after")
    assert caplog.messages == [
        *(f"{name} before" for name in LOGGERS),
        *(f"{name} in a thread" for name in (*LOGGERS, "mine")),
        "mine in this thread",
        *(f"{name} after" for name in LOGGERS),
    ]
    assert unraised == ["from a thread"]


def test_hooks_are_as_they_were_and_one_that_came_meanwhile_stays(unraised):
    before = sys.unraisablehook
    with orbax_silenced():
        pass
    assert sys.unraisablehook is before and logging.root.manager.disable == 0
    with orbax_silenced():
        inner = sys.unraisablehook
        sys.unraisablehook = around = lambda unraisable: inner(unraisable)
    assert sys.unraisablehook is around
    Fails()
    assert unraised == ["from a thread"]


DAMAGE = {
    "manifest gone": lambda folder: (folder / "state" / "manifest.ocdbt").unlink(),
    "data zeroed": lambda folder: [f.write_bytes(bytes(f.stat().st_size)) for f in folder.glob("state/d/*")],
    "another shape": lambda folder: (folder / "_CHECKPOINT_METADATA").write_text(
        (folder / "_CHECKPOINT_METADATA").read_text().replace('"width": 16', '"width": 64')
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_that_only_orbax_notices_is_one_line_and_no_noise(damage, straight, tmp_path, capfd, caplog, unraised):
    """Without the sizes that we note, several arrays fail at once, in threads of their own."""
    folder = shutil.copytree(straight.path / "checkpoints" / "12", tmp_path / "12")
    (folder / SIZES).unlink()
    assert load(folder).step == 12
    before = (folder / "_CHECKPOINT_METADATA").read_text()
    DAMAGE[damage](folder)
    assert damage != "another shape" or (folder / "_CHECKPOINT_METADATA").read_text() != before
    with pytest.raises(InputError, match=r"^checkpoint .* cannot be read; delete it to use an earlier one \([^\n]*\)$"):
        load(folder)
    gc.collect()
    assert (capfd.readouterr(), caplog.messages, unraised) == (("", ""), [], [])
