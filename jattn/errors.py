"""The one error that is the user's to mend: a single line naming the field, the value and the fix.

The command line prints it and exits with 2; everything else is a bug and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class InputError(ValueError):
    """Bad input. The message is one line: what was given, what is allowed, what to do."""


def one_of(field: str, value: str, allowed: Iterable[str]) -> str:
    """Return `value` if it is allowed, else raise InputError with the nearest name and the whole list."""
    allowed = list(allowed)
    if value in allowed:
        return value
    near = get_close_matches(str(value), allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InputError(f"{field}: unknown value {value!r}.{hint} Choose from: {', '.join(allowed)}")


def at_least(field: str, value: Any, minimum: int) -> Any:
    """Return `value` if value >= minimum, else raise InputError."""
    if not value >= minimum:  # NaN is no number to be above anything
        raise InputError(f"{field} must be >= {minimum}, got {value}")
    return value


def positive(field: str, value: Any) -> Any:
    """Return `value` if value > 0, else raise InputError."""
    if not value > 0:
        raise InputError(f"{field} must be > 0, got {value}")
    return value


def below_one(field: str, value: Any) -> Any:
    """Return `value` if 0 <= value < 1, else raise InputError."""
    if not 0 <= value < 1:
        raise InputError(f"{field} must be at least 0 and below 1, got {value}")
    return value
