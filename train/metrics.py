"""metrics.jsonl: one JSON object per line, the truth about a run; what the screen shows are the same values.

    {"step": 10, "loss": 3.2, "grad_norm": 1.1, "learning_rate": 3e-4, "tokens_per_second": 21000, "null_mass": 0.1}
    {"step": 250, "valid_loss": 2.4, "valid_tokens": 111488}
`loss` is that of the batch of that step, in nats. A resumed run goes on in the same file: later lines win.
"""

import json
from pathlib import Path
from typing import Any


class MetricsFile:
    """Appends lines; each is written whole, so a killed run leaves at most one torn line, which stays on its own."""

    def __init__(self, folder: Path):
        path = folder / "metrics.jsonl"
        torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._file.write("\n" * torn)

    def write(self, **values: Any) -> None:
        self._file.write(json.dumps(values) + "\n")

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """All lines of a run, one per (step, kind), the last one where a step was repeated after a resume."""
    path = folder / "metrics.jsonl"
    rows: dict[tuple[int, bool], dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:  # the torn line of a killed run
            continue
        rows[row["step"], "valid_loss" in row] = row
    return sorted(rows.values(), key=lambda r: r["step"])
