"""Silence for a library that fails loudly.

Orbax reads many arrays at once. When one cannot be read it logs, and the tasks left behind each print a traceback
whenever the garbage collector comes by; our own one line would drown in them.
"""

import gc
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged inside; if it fails, what the failure left behind is collected before the noise is back on."""
    hook, level = sys.unraisablehook, logging.root.manager.disable
    sys.unraisablehook = lambda _: None
    logging.disable(logging.CRITICAL)
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            traceback.clear_frames(cause.__traceback__)  # the frames hold the tasks
            cause = cause.__cause__ or cause.__context__
        gc.collect()
        raise
    finally:
        sys.unraisablehook = hook
        logging.disable(level)
