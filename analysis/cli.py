"""The command `jattn`: train's subcommands and its own. A user's mistake is one line and exit code 2, no traceback.

`jattn --help` imports no JAX: commands import what they need once their arguments are known to be good.
"""

import os
import sys
from importlib.metadata import version

from jattn.errors import InputError


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 done, 2 bad input, 130 stopped by Ctrl-C."""
    try:
        args = _parser().parse_all(argv)
        # Orbax and JAX chat on stderr through absl's logger; what matters to a user is said in our own lines.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        return args.run(args)
    except InputError as error:
        print(f"jattn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("jattn: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser():
    from analysis import commands
    from analysis.viewer.command import add_view
    from train import commands as launch
    from train import export, importing
    from train.options import Parser

    parser = Parser(
        prog="jattn",
        description="Train small Transformers with and without a null token, and see what their attention heads do.",
    )
    parser.add_argument("--version", action="version", version=f"jattn {version('jattn')}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    commands.add_demo(verbs)
    launch.add_train(verbs)
    commands.add_compare(verbs)
    add_view(verbs)
    launch.add_sample(verbs)
    export.add_export(verbs)
    importing.add_import(verbs)
    commands.add_info(verbs)
    launch.add_runs(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
