"""The command `jattn`, also as `python -m jattn`. It is written in analysis/cli.py."""

import sys
from pathlib import Path

from jattn import launcher


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 done, 2 bad input, 130 stopped by Ctrl-C."""
    return launcher.command("analysis.cli").main(argv)


if __name__ == "__main__":
    if sys.path[0] == str(Path.cwd()):
        del sys.path[0]  # `-m` puts the current folder first, where a user may have a jax.py as well as a train.py
    sys.exit(main())
