"""Every field of a run is an option; what is given arrives typed; a wrong name is told with the nearest."""

import argparse

import pytest

from jattn.errors import InputError
from train.config import RunConfig, field_types, flatten, parse_value
from train.config_history import RENAMED
from train.options import OWN, Parser, add_fields, changes, short_names


@pytest.fixture
def parser():
    made = Parser(prog="jattn")
    add_fields(made)
    return made


def test_every_field_but_those_with_a_way_of_their_own_is_an_option(parser):
    given = {name: str(value) for name, value in flatten(RunConfig()).items() if name not in OWN}
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    assert changes(parser.parse_all(words)) == {n: parse_value(n, v, field_types()[n][0]) for n, v in given.items()}
    for name in OWN:
        with pytest.raises(InputError, match="unknown option"):
            parser.parse_all([f"--{name}", "1"])


def test_nothing_given_changes_nothing(parser):
    assert changes(parser.parse_all([])) == {}


def test_short_name_stands_for_the_one_field_that_ends_in_it_or_had_it_before_the_groups(parser):
    names = short_names()
    assert names["layers"] == "model.layers" and names["learning_rate"] == "optimizer.learning_rate"
    assert changes(parser.parse_all(["--layers", "3"])) == {"model.layers": 3}
    for short, name in names.items():
        ends = [f for f in field_types() if f.rpartition(".")[2] == short]
        assert name == RENAMED.get(f"model.{short}") or (ends == [name] and short not in ("out", "norm", "output"))
    assert changes(parser.parse_all(["--mlp", "swiglu", "--norm", "layernorm", "--qk-norm", "false"])) == {
        "model.mlp.activation": "swiglu",
        "model.norm.kind": "layernorm",
        "model.norm.qk": False,
    }


def test_a_short_name_that_would_hide_a_field_of_the_run_is_not_one():
    assert all(short_names().get(name, name) == name for name in flatten(RunConfig()))


@pytest.mark.parametrize("spelling", ["--learning_rate", "--learning-rate", "--optimizer.learning-rate"])
def test_dashes_and_underscores_are_the_same(parser, spelling):
    assert changes(parser.parse_all([spelling, "0.5"])) == {"optimizer.learning_rate": 0.5}
    assert changes(parser.parse_all([f"{spelling}=0.5"])) == {"optimizer.learning_rate": 0.5}


def test_negative_number_is_a_value_and_not_an_option(parser):
    assert changes(parser.parse_all(["--model.null.logit_init", "-10"])) == {"model.null.logit_init": -10.0}


def test_last_of_two_values_counts(parser):
    assert changes(parser.parse_all(["--steps", "5", "--steps", "9"])) == {"steps": 9}


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("--layrs", "--layers"),
        ("--model.widht", "--model.width"),
        ("--learning_rat=3", "--learning_rate"),
        ("--lay", "--la"),
    ],
)
def test_unknown_option_is_told_with_the_nearest_and_never_guessed(parser, word, nearest):
    with pytest.raises(InputError, match=f"unknown option '{word}'; did you mean {nearest}"):
        parser.parse_all([word, "3"])


def test_unknown_option_unlike_any_other_is_told_without_a_guess(parser):
    with pytest.raises(InputError, match=r"^unknown option '--zzzz' \(see --help\)$"):
        parser.parse_all(["--zzzz"])


def test_word_too_many_is_no_option(parser):
    with pytest.raises(InputError, match="'extra' is one argument too many"):
        parser.parse_all(["extra"])


def test_option_without_its_value_is_refused_by_name(parser):
    with pytest.raises(InputError, match="--layers: expected one argument"):
        parser.parse_all(["--layers"])


def test_unknown_option_of_a_subcommand_is_compared_with_that_commands_options():
    top = Parser(prog="jattn")
    verbs = top.add_subparsers(required=True, parser_class=Parser)
    add_fields(verbs.add_parser("train"))
    verbs.add_parser("info").add_argument("--json", action="store_true")
    with pytest.raises(InputError, match="did you mean --json"):
        top.parse_all(["info", "--jsn"])
    with pytest.raises(InputError, match=r"did you mean --seed|did you mean --steps"):
        top.parse_all(["train", "--step", "3"])


def test_parsed_words_are_kept_for_the_line_that_says_how_to_go_on(parser):
    assert parser.parse_all(["--steps", "5"]).argv == ["--steps", "5"]


def test_help_shows_every_field_with_its_line_and_its_default(parser):
    shown = " ".join(parser.format_help().split())
    for name, (_, help) in field_types().items():
        if name not in OWN:
            assert f"--{name}" in shown
            assert " ".join(f"{help} [{flatten(RunConfig())[name]}]".split()) in shown, name


def test_a_parsers_complaint_is_an_input_error_and_no_exit():
    with pytest.raises(InputError, match="boom"):
        Parser(prog="jattn").error("boom")
    assert issubclass(Parser, argparse.ArgumentParser)
