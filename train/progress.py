"""What a person sees while something runs: a live bar on a terminal, one line in a notebook, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PLAIN_SECONDS = 10.0
NOTEBOOK_SECONDS = 0.5


Tick = Callable[[str, int, int], Any]  # (what, done, total)


@contextmanager
def ticking(progress: bool | Tick | None, title: str) -> Iterator[Tick]:
    """Where steps are told: None shows a bar in a terminal or a notebook, True also plain lines elsewhere, False none.

    A function of one's own is called instead.
    """
    console = Console(stderr=True)
    if progress is None:
        progress = console.is_terminal or console.is_jupyter
    if progress is False:
        yield lambda *_: None
    elif progress is not True:
        yield progress
    else:
        with Bar(title, 1, console=console) as bar:

            def show(what: str, done: int, total: int) -> None:
                bar.total = total
                bar.update(done, group=what)

            yield show


class Bar:
    """Progress of one task over `total` steps: `bar.update(done, loss=3.2)`. A context manager; `total` may grow."""

    def __init__(self, title: str, total: int, *, start: int = 0, console: Console | None = None):
        self.title, self.total, self.start = title, total, start
        self.console = console or Console(stderr=True)
        self._began = self._shown = time.monotonic()
        self._progress = None
        self._rewrites = self.console.is_jupyter  # a notebook's output is rewritten from its last \r on
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[facts]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
            )
            self._progress = Progress(*columns, console=self.console, refresh_per_second=4)
            self._task = self._progress.add_task(title, total=total, completed=start, facts="")

    def __enter__(self) -> "Bar":
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        if self._progress:
            self._progress.stop()
        elif self._rewrites:
            print(file=sys.stderr)

    def update(self, done: int, **facts: Any) -> None:
        """Show that `done` steps are done, and these facts."""
        if self._progress:
            self._progress.update(self._task, completed=done, total=self.total, facts=words(facts))
            return
        now = time.monotonic()
        if now - self._shown >= (NOTEBOOK_SECONDS if self._rewrites else PLAIN_SECONDS) or done == self.total:
            self._shown = now
            rate = (now - self._began) / max(done - self.start, 1)
            left = clock(rate * (self.total - done))
            line = f"{self.title}: {done}/{self.total} {words(facts)} {left} left"
            if self._rewrites:
                print(f"\r{line:<100}", end="", file=sys.stderr, flush=True)
            else:
                self.note(line)

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._progress:
            self._progress.console.print(text, highlight=False, markup=False)
        else:
            print(f"\r{text:<100}" if self._rewrites else text, file=sys.stderr, flush=True)


def words(facts: dict[str, Any]) -> str:
    """`loss 3.214  null mass 0.100` for numbers, names with spaces."""
    shown = []
    for name, value in facts.items():
        if value is None:
            continue
        text = value if isinstance(value, str) else f"{value:.3g}" if name in ("lr", "grad") else f"{value:.3f}"
        shown.append(f"{name.replace('_', ' ')} {text}")
    return "  ".join(shown)


def clock(seconds: float) -> str:
    """h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
