"""Ctrl-C while a run trains: noted, so that the step ends and all is saved."""

import signal
from types import FrameType
from typing import Any


class Interrupt:
    """Notes Ctrl-C and SIGTERM instead of dying on them; a second one kills as usual."""

    def __init__(self):
        self.asked = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._old[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread (a notebook's worker): signals stay as they are
                break
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = True
        signal.signal(number, self._old[number])

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)
