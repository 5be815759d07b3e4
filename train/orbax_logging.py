"""Silence for a library that fails loudly, and for nobody else.

Orbax reads many arrays at once. When one cannot be read it logs, closes the event loop under the other readers, and
each of them prints a traceback when it comes back to a loop that is closed, or when the garbage collector finds it. Our
own one line would drown in them. What other threads log or fail at meanwhile is theirs and goes where it always went.
"""

import asyncio
import gc
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

LOGGERS = ("absl", "asyncio")  # through which Orbax and its tasks speak
STRAGGLERS_SECONDS = 0.5  # for reads that are on their way in threads of TensorStore, which nobody can wait for


@contextmanager
def orbax_silenced() -> Iterator[None]:
    """Orbax is not heard inside; where it failed, what that left behind is settled before it may be heard again."""
    thread, complaints = threading.get_ident(), []

    def of_others(record: logging.LogRecord) -> bool:
        # Orbax has threads of its own, whose tasks tell what TensorStore said
        orbax = record.thread == thread or "tensorstore" in str(record.exc_info)
        if orbax and record.levelno >= logging.WARNING:
            complaints.append(record.name)
        return not orbax

    heard = sys.unraisablehook
    hook = _without_orbax(heard)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(of_others)
    sys.unraisablehook = hook
    try:
        yield
        if complaints:  # Orbax goes on without what it could not read
            _settle(None)
    except Exception as error:
        _settle(error)
        raise
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(of_others)
        if sys.unraisablehook is hook:  # else somebody put theirs around it: it stays, and lets all through
            sys.unraisablehook = heard


def _settle(error: BaseException | None) -> None:
    """End Orbax's tasks on loops that are closed, which will never run again, and forget the frames that hold them."""
    for task in [o for o in gc.get_objects() if issubclass(type(o), asyncio.Task) and o.get_loop().is_closed()]:
        coroutine: Any = task.get_coro()
        if not task.done() and _of_orbax(coroutine):
            with suppress(Exception):  # what it says to being closed is what would be printed later
                coroutine.close()
        elif task.done() and not task.cancelled():
            task.exception()  # asked for once, it is not complained of
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    time.sleep(STRAGGLERS_SECONDS)
    gc.collect()


def _without_orbax(heard: Callable[[Any], Any]) -> Callable[[Any], None]:
    """A hook that lets all through to `heard` but what a failed read of Orbax leaves behind."""

    def hook(unraisable: Any) -> None:
        # a read that ended in a thread of TensorStore, whose callback is no object of Python's
        late = unraisable.object is None and str(unraisable.exc_value) == "Event loop is closed"
        if not (late or _of_orbax(unraisable.object)):
            heard(unraisable)

    return hook


def _of_orbax(coroutine: Any) -> bool:
    code = getattr(coroutine, "cr_code", None)
    return code is not None and "orbax" in code.co_filename
