"""`jattn sample` of a model that has an end of text: it stops there, or goes on and shows it."""

import json
import shutil

import jax
import numpy as np
import pytest

from analysis.cli import main
from jattn import interop
from jattn.decode import generate
from jattn.model import init_parameters
from tests.configs import model_config
from train.checkpoint import load
from train.tokenizers import Tokenizer

WORDS = ["--prompt", "ab", "--length", "12", "--temperature", "0"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A small Llama without an end of text; drawn widely, so that its likeliest tokens vary."""
    tokenizer = Tokenizer.symbols("abcdefghijkl")
    config = model_config(
        vocab_size=12,
        context=64,
        layers=1,
        heads=2,
        width=16,
        mlp__activation="swiglu",
        norm__qk=False,
        init__std=1.0,
        init__zero_outputs=False,
    )
    folder = tmp_path_factory.mktemp("models") / "plain"
    return interop.write(config, init_parameters(config), tokenizer.json, folder, "llama")


@pytest.fixture(scope="module")
def greedy(plain):
    """The 12 likeliest tokens after "ab"."""
    run = load(plain)
    tokens = generate(run.model, run.encode("ab"), 12, jax.random.key(0), temperature=0.0)[0]
    return [int(t) for t in tokens]


@pytest.fixture
def ended(plain, greedy, tmp_path):
    """The same model whose end of text is the last kind of token that it writes, and where it writes it first."""
    end = max(set(greedy), key=greedy.index)
    assert greedy.index(end) > 0
    folder = tmp_path / "ended"
    shutil.copytree(plain, folder)
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {"eos_token_id": end}))
    return folder, greedy.index(end)


def text(tokens):
    return "".join("abcdefghijkl"[t] for t in tokens)


def test_sample_stops_before_the_end_of_text(plain, ended, greedy, capsys):
    folder, place = ended
    assert main(["sample", str(plain), *WORDS]) == 0
    assert capsys.readouterr().out == f"ab{text(greedy)}\n"
    assert main(["sample", str(folder), *WORDS]) == 0
    assert capsys.readouterr().out == f"ab{text(greedy[:place])}\n"
    assert main(["sample", str(folder), *WORDS, "--past-end"]) == 0
    assert capsys.readouterr().out == f"ab{text(greedy)}\n"


def test_text_that_has_ended_is_filled_with_the_end_while_others_go_on(plain, ended, greedy):
    """Two prompts: the second alone is as it would be without the first, up to its own end."""
    folder, place = ended
    run, end = load(folder), load(folder).ends
    prompts = np.array([[0, 1], [2, 3]])
    both = np.asarray(generate(run.model, jax.numpy.asarray(prompts), 12, jax.random.key(0), temperature=0.0, ends=end))
    free = np.asarray(generate(run.model, jax.numpy.asarray(prompts), 12, jax.random.key(0), temperature=0.0))
    for row, whole in zip(both, free, strict=True):
        stop = next((i for i, t in enumerate(whole) if t in end), len(whole))
        np.testing.assert_array_equal(row[:stop], whole[:stop])
        assert (row[stop:] == end[0]).all()
    assert (both[0, place:] == end[0]).all()


def test_special_tokens_are_shown_by_name_where_asked():
    tokenizer = Tokenizer.symbols("ab", bos=True)
    assert tokenizer.decode([2, 0, 1]) == "ab" and tokenizer.decode([2, 0, 1], skip_special_tokens=False) == "<bos>ab"


def test_tokens_to_write_are_understood_as_the_length_and_a_slip_names_it(plain, capsys):
    written = []
    for words in (["--length", "5"], ["--tokens", "5"], ["--max_new_tokens=5"]):
        assert main(["sample", str(plain), *words]) == 0
        written.append(capsys.readouterr().out)
    assert len(set(written)) == 1
    assert main(["sample", str(plain), "--lenght", "5"]) == 2
    assert "did you mean --length?" in capsys.readouterr().err
