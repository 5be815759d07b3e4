"""What a number is called wherever it is shown: in tables, figures, CSV and JSON."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """What a number is called, its unit or range, and how it is printed.

    cleaner: +1 if more of it is cleaner structure, -1 if less is, 0 if the measure takes no side in that claim.
    """

    title: str
    unit: str
    digits: int = 3
    cleaner: int = 0
