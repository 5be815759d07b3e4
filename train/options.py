"""The command line's fields: every field of RunConfig is an option, with its help from the dataclass itself.

`--model.layers 6` always works; `--layers 6` too where no other field ends in that name.
"""

import argparse
import sys
from difflib import get_close_matches
from typing import Any, NoReturn, get_args

from jattn.errors import InputError, one_of
from train.config import RunConfig, field_types, flatten, parse_value
from train.config_history import RENAMED

# Given their own way: several values at once, or set by the preset.
OWN = {"model.attention", "model.vocab_size", "preset", "seed", "start"}


class Parser(argparse.ArgumentParser):
    """An argparse parser whose complaints are InputError: one line, with the nearest option; names are in full."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"allow_abbrev": False} | kwargs)

    def error(self, message: str) -> NoReturn:
        raise InputError(message)

    def parse_all(self, argv: list[str] | None) -> argparse.Namespace:
        """Parse; an unknown option names the nearest one. The words themselves are kept as `argv`."""
        argv = sys.argv[1:] if argv is None else argv
        self._check_command(argv)
        args, rest = self.parse_known_args(argv)
        if rest:
            options = list(_actions(self, argv))
            names = [name for action in options for name in action.option_strings]
            unknown = next((word for word in rest if word.startswith("-")), None)
            if unknown is None:
                raise InputError(f"{rest[0]!r} is one argument too many (see --help)")
            word = unknown.split("=")[0]
            # --tokens means the option of `tokens to write` rather than one that is spelled alike
            meant = [a.option_strings[-1] for a in options if (a.help or "").split()[:1] == [word.lstrip("-")]]
            near = meant or get_close_matches(word, names, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InputError(f"unknown option {unknown!r}{hint} (see --help)")
        args.argv = list(argv)
        return args

    def _check_command(self, argv: list[str]) -> None:
        """A first word that is no command names the nearest one."""
        if argv and not argv[0].startswith("-"):
            for action in self._actions:
                if isinstance(action, argparse._SubParsersAction):
                    one_of("command", argv[0], action.choices)


def _actions(parser: argparse.ArgumentParser, argv: list[str]):
    """The options of a parser and of the subcommand that was given."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word in argv:
                if word in action.choices:
                    yield from action.choices[word]._actions
        else:
            yield action


def short_names() -> dict[str, str]:
    """{"layers": "model.layers", "qk_norm": "model.norm.qk"}: the last part of a field's name where it is unique and
    no word of the command's own or of a group; the words of the flat config besides, which say more than `qk` does."""
    names = list(field_types())
    last = [name.rpartition(".")[2] for name in names]
    taken = {"out"} | {part for name in names for part in name.split(".")[:-1]} - set(names)
    short = {s: name for s, name in zip(last, names, strict=True) if last.count(s) == 1 and s not in taken}
    return short | {flat.rpartition(".")[2]: name for flat, name in RENAMED.items()}


def add_fields(parser: argparse.ArgumentParser) -> None:
    """An option per field, in one group per part of the config, showing the defaults of the preset `small`."""
    short: dict[str, list[str]] = {}
    for word, name in short_names().items():
        short.setdefault(name, []).append(word)
    default = flatten(RunConfig())
    groups: dict[str, Any] = {}
    for name, (kind, help) in field_types().items():
        if name in OWN:
            continue
        part = name.rpartition(".")[0]
        title = f"fields: {part}" if part else "fields: run"
        group = groups.setdefault(part, parser.add_argument_group(title))
        spelled = [f"--{word}" for word in dict.fromkeys([name, *short.get(name, ())])]
        spelled += [s.replace("_", "-") for s in spelled if "_" in s]
        choices = [a for a in get_args(kind) if isinstance(a, str)]
        metavar = "|".join(choices) or ("true|false" if kind is bool else "X")
        text = f"{help} [{default[name]}]".replace("%", "%%")
        group.add_argument(*spelled, dest=name, metavar=metavar, default=None, help=text)


def changes(args: argparse.Namespace) -> dict[str, Any]:
    """The fields that were given, as their types."""
    types = field_types()
    given = {n: getattr(args, n, None) for n in types if n not in OWN}
    return {n: parse_value(n, text, types[n][0]) for n, text in given.items() if text is not None}
