"""Every field of a run is an option; what is given arrives typed; a wrong name is told with the right one."""

import pytest

from jattn.errors import InputError
from train.command_line import Command, Commands, Option, Value, run
from train.commands import TRAIN
from train.config import RunConfig, field_types, flatten, parse_value
from train.config_history import RENAMED
from train.options import ADVICE, COMMON, OWN, SYNONYMS, field_options, spellings

FIELDS = Command("train", params=field_options(), advice=ADVICE)


def changes(*words):
    """What a command of fields alone makes of these words."""
    return FIELDS.make_context("train", [*words]).params.get("changes")


def shown(word, capsys):
    """What such a command prints for --help or --help-all, on one line."""
    assert run(Commands("jattn", commands=[Command("train", params=field_options())]), ["train", word]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_every_field_but_those_with_a_way_of_their_own_is_an_option():
    given = {name: str(value) for name, value in flatten(RunConfig()).items() if name not in OWN}
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    assert changes(*words) == {n: parse_value(n, v, field_types()[n][0]) for n, v in given.items()}
    for name in OWN:
        with pytest.raises(InputError, match=r"unknown option|there is no"):
            changes(f"--{name}", "1")


def test_nothing_given_changes_nothing():
    assert changes() is None


def test_every_spelling_stands_for_one_field_and_its_name_within_its_part_is_shown():
    table = spellings()
    assert list(table) == list(field_types())
    every = [spelling for several in table.values() for spelling in several]
    assert len(every) == len(set(every))
    assert table["model.layers"][0] == "layers" and table["optimizer.learning_rate"][0] == "learning-rate"
    for name, several in table.items():
        whole = name.replace("_", "-").replace(".", "-")
        assert whole in several and several[0] == (name.partition(".")[2] or name).replace("_", "-").replace(".", "-")
    defaults, types = flatten(RunConfig()), field_types()
    for turn in range(max(map(len, table.values()))):  # every field at once, under its last spelling but `turn`
        given = {name: table[name][-turn % len(table[name])] for name in types if name not in OWN}
        assert changes(*(f"--{spelling}={defaults[name]}" for name, spelling in given.items())) == {
            name: parse_value(name, str(defaults[name]), types[name][0]) for name in given
        }


@pytest.mark.parametrize(
    ("word", "name"), [(old.rpartition(".")[2], name) for old, name in RENAMED.items() if name not in OWN]
)
def test_a_field_keeps_the_word_that_it_had_in_earlier_versions(word, name):
    default, kind = flatten(RunConfig())[name], field_types()[name][0]
    assert changes(f"--{word}={default}") == {name: parse_value(name, str(default), kind)}


@pytest.mark.parametrize(
    "spelling",
    [
        "--learning_rate",
        "--learning-rate",
        "--optimizer.learning-rate",
        "--optimizer-learning_rate",
        "--lr",
        "--max_lr",
    ],
)
def test_dots_dashes_and_underscores_are_the_same(spelling):
    assert changes(spelling, "0.5") == {"optimizer.learning_rate": 0.5}
    assert changes(f"{spelling}=0.5") == {"optimizer.learning_rate": 0.5}


WORDS = {
    "--n-layers": "layers",
    "--n_layer": "layers",
    "--model.n_layer": "layers",
    "--model.swiglu_limit": "mlp-limit",
    "--optimizer.lr": "learning-rate",
    "--n_head": "heads",
    "--d-model": "width",
    "--n_embd": "width",
    "--block-size": "context",
    "--batch-size": "batch",
    "--max-iters": "steps",
    "--eval-interval": "eval-every",
    "--warmup-steps": "warmup",
}


@pytest.mark.parametrize("word", WORDS)
def test_words_of_other_libraries_are_understood(word):
    (name,) = [name for name, several in spellings().items() if several[0] == WORDS[word]]
    assert changes(word, "3") == {name: 3}


@pytest.mark.parametrize("word", ["--from", "--init-from", "--init_from", "--start"])
def test_run_to_start_from_is_given_in_the_words_of_others_and_of_earlier_versions(word):
    assert TRAIN.make_context("train", [word, "runs/base"]).params["init_from"] == "runs/base"


def test_a_part_of_the_config_stands_for_its_first_field_where_that_is_a_word():
    assert changes("--data", "my.txt") == {"data.corpus": "my.txt"}
    assert "null" not in [spelling for several in spellings().values() for spelling in several]


def test_tables_of_names_name_fields_that_there_are():
    first = [several[0] for several in spellings().values()]
    every = {spelling for several in spellings().values() for spelling in several}
    assert set(COMMON) <= set(first) and set(SYNONYMS) <= set(first)
    assert not set(ADVICE) & {s for name in set(spellings()) - OWN for s in spellings()[name]}
    words = [word for several in SYNONYMS.values() for word in several]
    assert set(words) <= every and len(words) == len(set(words))


@pytest.mark.parametrize("word", ADVICE)
def test_what_is_done_in_another_way_is_told_in_one_line(word):
    with pytest.raises(InputError, match=f"^there is no --{word}: ") as told:
        changes(f"--{word}", "3")
    assert ADVICE[word] in str(told.value) and "\n" not in str(told.value)


def test_advice_names_options_that_there_are():
    known = {spelling for several in spellings().values() for spelling in several}
    known |= {"attention", "dry-run", "out", "seeds", "preset", "from"}
    named = {word.strip(",;") for line in ADVICE.values() for word in line.split() if word.startswith("--")}
    assert len(named) > 5 and {word[2:] for word in named} <= known


def test_none_is_a_value():
    assert changes("--kv-heads", "none") == {"model.kv_heads": None}


def test_negative_number_is_a_value_and_not_an_option():
    assert changes("--model.null.logit_init", "-10") == {"model.null.logit_init": -10.0}


def test_last_of_two_values_counts():
    assert changes("--steps", "5", "--steps", "9") == {"steps": 9}
    assert changes("--steps", "5", "--max-iters", "9") == {"steps": 9}


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("--layrs", "--layers"),
        ("--model.widht", "--width"),
        ("--learning_rat=3", "--learning-rate"),
        ("--lay", "--layers"),
        ("-layers", "--layers"),
        ("--optimiser", "--optimizer"),
    ],
)
def test_unknown_option_is_told_with_the_nearest_and_never_guessed(word, nearest):
    name = word.partition("=")[0]
    with pytest.raises(InputError, match=f"^unknown option '{name}'; did you mean {nearest}\\?"):
        changes(word, "3")


def test_unknown_option_unlike_any_other_is_told_without_a_guess():
    with pytest.raises(InputError, match=r"^unknown option '--zzzz' \(see train --help\)$"):
        changes("--zzzz")


def test_word_too_many_is_no_option():
    with pytest.raises(InputError, match="'extra' is one argument too many"):
        changes("extra")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--layers"], "--layers needs a value: N"),
        (["--bos"], "--bos needs a value: true|false"),
        (["--corpus", "--steps", "5"], "--corpus needs a value, and --steps is an option"),
    ],
)
def test_option_without_its_value_is_refused_by_name(words, says):
    with pytest.raises(InputError) as told:
        changes(*words)
    assert says in str(told.value)


def test_common_fields_stand_first_in_the_help_and_the_rest_in_help_all(capsys):
    short, whole = shown("--help", capsys), shown("--help-all", capsys)
    for name, (_, help) in field_types().items():
        if name in OWN:
            continue
        default = flatten(RunConfig())[name]
        value = str(default).lower() if default is None or isinstance(default, bool) else default
        line, spelling = " ".join(f"{help} [{value}]".split()), spellings()[name][0]
        assert f" --{spelling} " in whole and line in whole, name
        assert (f" --{spelling} " in short and line in short) == (spelling in COMMON), name
    places = [short.index(f" --{spelling} ") for spelling in COMMON]
    assert places == sorted(places)


# Options of several words, and what a command hands to its function ---------------------------------------------------


def several(**given):
    return [Option("--kinds", "--kind", multiple=True), Option("--seeds", multiple=True, type=Value(int), **given)]


@pytest.mark.parametrize(
    ("words", "kinds", "seeds"),
    [
        (["--kinds", "a", "b", "--seeds", "0", "1"], ("a", "b"), (0, 1)),
        (["--kinds=a", "--seeds", "-1", "2"], ("a",), (-1, 2)),
        (["--seeds", "0", "1", "--kind", "a", "--seeds", "2"], ("a",), (2,)),
        (["--kinds", "", "--seeds=3"], ("",), (3,)),
    ],
)
def test_several_words_go_to_their_option_and_the_last_time_counts(words, kinds, seeds):
    given = Command("train", params=several()).make_context("train", words).params
    assert (given["kinds"], given["seeds"]) == (kinds, seeds)


def test_an_option_of_several_words_needs_one():
    with pytest.raises(InputError, match="--seeds needs one value or more"):
        Command("train", params=several()).make_context("train", ["--seeds", "--kinds", "a"])


def test_what_is_not_given_is_left_to_the_function_and_its_exit_code_is_the_commands():
    seen = []
    command = Command("go", params=several(), callback=lambda *, seeds=(7,), **rest: seen.append((seeds, rest)) or 3)
    assert run(Commands("jattn", commands=[command]), ["go"]) == 3
    assert seen == [((7,), {})]


def test_words_are_kept_for_the_line_that_says_how_to_go_on():
    command = Command("go", params=several(), keeps_words=True)
    assert command.make_context("go", ["--seeds", "0", "1"]).params["words"] == ["go", "--seeds", "0", "1"]
