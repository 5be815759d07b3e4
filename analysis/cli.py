"""The command `jattn`: train's subcommands and its own. A user's mistake is one line and exit code 2, no traceback.

`jattn --help` imports no JAX: commands import what they need once their arguments are known to be good.
"""

import os
import sys

import click

from jattn.errors import InputError
from train.command_line import Commands, run


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 done, 2 bad input, 130 stopped by Ctrl-C."""
    try:
        # Orbax and JAX chat on stderr through absl's logger; what matters to a user is said in our own lines.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        return run(commands(), sys.argv[1:] if argv is None else argv)
    except InputError as error:
        print(f"jattn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("jattn: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def commands() -> Commands:
    """`jattn` and its commands, in the order in which one meets them."""
    from analysis.commands import COMPARE, DEMO, INFO
    from analysis.viewer.command import VIEW
    from train.commands import RUNS, TRAIN
    from train.export import EXPORT
    from train.importing import IMPORT
    from train.sample import SAMPLE

    jattn = Commands(
        "jattn",
        help="Train small Transformers with and without a null token, and see what their attention heads do.",
        epilog="Start with: jattn demo --quick. Options of a command: jattn COMMAND --help.",
    )
    for command in (DEMO, TRAIN, COMPARE, VIEW, SAMPLE, EXPORT, IMPORT, INFO, RUNS):
        jattn.add_command(command)
    return click.version_option(package_name="jattn", prog_name="jattn", message="%(prog)s %(version)s")(jattn)


if __name__ == "__main__":
    sys.exit(main())
