"""What every command has in common, on click: lenient spelling, options of several words, help that fits a screen.

A command is a plain function of typed arguments; beside it stands a `Command` that says which words give them. What is
not given is left to the function's own default. A mistake is an InputError: one line, no usage and no box.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click

from jattn.errors import InputError, one_of
from train.config import check_seed, parse_value

EVERYTHING = "jattn.everything"  # in click's meta: whether --help-all was asked for


def plain(name: str) -> str:
    """A name's one spelling for the parser: --model.null_init, --model-null-init and --model.null-init are one."""
    return name.replace("_", "-").replace(".", "-")


SETTINGS = {
    "token_normalize_func": plain,
    "help_option_names": ["--help", "-h"],
    "max_content_width": 100,
    "allow_extra_args": True,  # so that our own line tells of a word too many
}


class Value(click.ParamType[Any, Any]):
    """A word as a type that a field of a config may have: int, `float | None`, a Literal, ..."""

    name = "value"

    def __init__(self, kind: Any, field: str | None = None):
        self.kind, self.field = kind, field

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        return parse_value(self.field or (param.opts[0] if param else "value"), value, self.kind)


class Seed(Value):
    """A seed that jax keeps apart from all others."""

    def __init__(self):
        super().__init__(int)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return check_seed(param.opts[0] if param else "seed", super().convert(value, param, ctx))


class Option(click.Option):
    """An option; `multiple` takes every word up to the next option. One with a `section` is left to --help-all."""

    def __init__(self, *names: str, section: str | None = None, **given: Any):
        super().__init__(names, **given)
        self.section = section

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Its first spelling alone."""
        words = self.opts[0] if self.is_flag else f"{self.opts[0]} {self.make_metavar(ctx)}"
        return words, self.help or ""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        if isinstance(value, str) and not self.is_flag and value.startswith("--") and value in _names(ctx):
            raise InputError(
                f"{self.opts[0]} needs a value, and {value} is an option ({self.opts[0]}={value} takes it)"
            )
        return super().type_cast_value(ctx, value)


class _Told:
    """Mix-in of Command and Commands: an unknown option, and one without its value, in one line."""

    def _parsed(self, ctx: click.Context, args: list[str], parse: Any) -> list[str]:
        try:
            return parse(ctx, [*args])  # click empties the list
        except click.NoSuchOption as error:
            raise InputError(self._unknown(ctx, _written(error.option_name, args))) from None
        except click.BadOptionUsage as error:
            option = _named(ctx, error.option_name)
            needs = "takes no value" if option.is_flag else f"needs a value: {option.make_metavar(ctx)}"
            raise InputError(f"{option.opts[0]} {needs} (see {ctx.command_path} --help)") from None
        except click.MissingParameter as error:
            record = error.param.get_help_record(ctx) if error.param else None
            name, help = record or (error.format_message(), "")
            raise InputError(f"{ctx.info_name}: {name} is missing: {help} (see {ctx.command_path} --help)") from None
        except click.UsageError as error:
            raise InputError(f"{error.format_message().rstrip('.')} (see {ctx.command_path} --help)") from None

    def _unknown(self, ctx: click.Context, word: str) -> str:
        """What to say of an option that is none: what to use for it, or the nearest name."""
        bare = plain(word.lstrip("-"))
        if advice := getattr(self, "advice", {}).get(bare.removeprefix("model-")):
            return f"there is no {word}: {advice}"
        names = {plain(name.lstrip("-")): name for name in _names(ctx)}
        near = get_close_matches(bare, names, n=1, cutoff=0.5)
        hint = f"; did you mean {_named(ctx, names[near[0]]).opts[0]}?" if near else ""
        return f"unknown option {word!r}{hint} (see {ctx.command_path} --help)"


class Command(_Told, click.Command):
    """A command of `jattn`. `advice` answers options that it has not; `keeps_words` hands the words themselves on.

    `more` are sections of the help that stand in --help-all alone: title -> (term, line) of each.
    """

    def __init__(
        self,
        name: str,
        *,
        advice: Mapping[str, str] | None = None,
        keeps_words: bool = False,
        more: Mapping[str, list[tuple[str, str]]] | None = None,
        **given: Any,
    ):
        super().__init__(name, context_settings=SETTINGS, **given)
        self.advice, self.keeps_words, self.more = advice or {}, keeps_words, more or {}
        left_out = [param for param in self.params if getattr(param, "section", None)]
        self.params.append(_help_all(f"Show {len(left_out)} more options." if left_out else None))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [ctx.info_name or "", *args]
        rest = self._parsed(ctx, self._spread(args), super().parse_args)
        if rest:
            raise InputError(f"{rest[0]!r} is one argument too many (see {ctx.command_path} --help)")
        ctx.params = {name: value for name, value in ctx.params.items() if value is not None and value != ()}
        if self.keeps_words:
            ctx.params["words"] = words
        return rest

    def _spread(self, args: list[str]) -> list[str]:
        """`--seeds 0 1` as click reads it, `--seeds=0 --seeds=1`; of such an option given twice the last counts."""
        several = {plain(o): p.opts[0] for p in self.params if isinstance(p, Option) and p.multiple for o in p.opts}
        given: dict[str, list[str]] = {}
        others: list[str] = []
        into = others  # where a word goes that is no option
        for word in args:
            name, equals, value = word.partition("=")
            if option := several.get(plain(name)):
                given[option] = into = [value] if equals else []
            elif word.startswith("-") and not word[1:2].isdigit():
                into = others
                others.append(word)
            else:
                into.append(word)
        for option, values in given.items():
            if not values:
                raise InputError(f"{option} needs one value or more (see jattn {self.name} --help)")
        return [*(f"{option}={value}" for option, values in given.items() for value in values), *others]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """In sections; the common options first and, but for --help-all, alone."""
        sections: dict[str, list[tuple[str, str]]] = {}
        everything = ctx.meta.get(EVERYTHING)
        for param in self.get_params(ctx):
            section = getattr(param, "section", None)
            record = None if isinstance(param, click.Argument) else param.get_help_record(ctx)
            if record and (everything or section is None):
                sections.setdefault(section or "Options", []).append(record)
        for title, records in (sections | (dict(self.more) if everything else {})).items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=26)


class Commands(_Told, click.Group):
    """`jattn` itself: without a command it prints its help; an unknown command names the nearest."""

    def __init__(self, name: str, **given: Any):
        super().__init__(name, context_settings=SETTINGS, **given)
        self.params.append(_help_all(None))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return self._parsed(ctx, args or ["--help"], super().parse_args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        one_of("command", args[0], self.commands)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them, not by the alphabet."""
        return list(self.commands)


def run(commands: Commands, argv: list[str]) -> int:
    """Run the command that these words name; its exit code."""
    try:
        with commands.make_context(commands.name, argv) as ctx:
            return commands.invoke(ctx)
    except click.exceptions.Exit as done:  # --help and --version
        return done.exit_code


def _help_all(help: str | None) -> click.Option:
    """--help-all; without a `help` it is understood, not shown."""

    def show(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value:
            ctx.meta[EVERYTHING] = True
            click.echo(ctx.get_help())
            ctx.exit()

    given: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False, "callback": show}
    return click.Option(["--help-all"], help=help, hidden=help is None, **given)


def _names(ctx: click.Context) -> list[str]:
    return [name for param in ctx.command.get_params(ctx) if isinstance(param, click.Option) for name in param.opts]


def _named(ctx: click.Context, name: str) -> click.Option:
    return next(
        p
        for p in ctx.command.get_params(ctx)
        if isinstance(p, click.Option) and plain(name) in [plain(opt) for opt in p.opts]
    )


def _written(name: str, args: list[str]) -> str:
    """The option as it was written: click reads `-layers` as `-l`, and spells every name with dashes."""
    for word in (word.partition("=")[0] for word in args):
        if plain(word) == plain(name) or (len(name) == 2 and word.startswith(name)):
            return word
    return name
