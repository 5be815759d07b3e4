"""`jattn export`: what it writes of a run and of an imported model, and what it refuses in one line."""

import json

import numpy as np
import pytest

from jattn import interop
from jattn.interop.transformer_lens import activations
from tests.command import jattn
from tests.configs import model_config
from train.checkpoint import load
from train.tokenizers import Tokenizer

TEXT = "null token has no use"
LLAMA = model_config(
    vocab_size=28, context=32, layers=2, heads=4, kv_heads=2, width=16, mlp__activation="swiglu", norm__qk=False
)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """The folder of a small Llama with a first token, as a run that was not trained here."""
    from jattn.model import init_parameters

    tokenizer = Tokenizer.symbols("abcdefghijklmnopqrstuvwxyz ", bos=True)
    folder = tmp_path_factory.mktemp("models") / "small-llama"
    return interop.write(LLAMA, init_parameters(LLAMA), tokenizer.json, folder, "llama")


def arrays(file):
    with np.load(file, allow_pickle=False) as opened:
        return dict(opened)


def test_npz_holds_the_attention_of_a_text_with_the_null_as_column_0(straight, tmp_path):
    code, out, _ = jattn("export", straight.path, "--format", "npz", "--text", TEXT, "--out", tmp_path / "a")
    assert (code, out) == (0, f"{tmp_path / 'a'}\n")
    found = arrays(tmp_path / "a/attention.npz")
    T = len(TEXT)
    assert {n: (a.dtype.kind, a.shape) for n, a in found.items()} == {
        "attention": ("f", (2, 2, T, 1 + T)),
        "null_mass": ("f", (2, 2, T)),
        "tokens": ("U", (T,)),
        "ids": ("i", (T,)),
        "layers": ("U", (2,)),
        "meta": ("U", ()),
    }
    np.testing.assert_allclose(found["attention"].sum(-1), 1, atol=1e-6)
    np.testing.assert_array_equal(found["attention"], straight.attention(TEXT))
    np.testing.assert_array_equal(found["null_mass"], found["attention"][..., 0])
    assert (found["null_mass"][0] > 0).all() and (found["null_mass"][1] == 0).all()
    assert "".join(found["tokens"]) == TEXT and found["layers"].tolist() == ["null", "local:4"]
    meta = json.loads(str(found["meta"]))
    assert (meta["text"], meta["step"], meta["run"]) == (TEXT, 12, str(straight.path))
    assert {"jattn", "jax", "numpy", "python"} <= meta["versions"].keys()


def test_text_longer_than_the_context_is_written_with_a_note(straight, tmp_path):
    text = TEXT * 2  # of 42 characters, in a context of 16
    code, _, note = jattn("export", straight.path, "--format", "npz", "--text", text, "--out", tmp_path / "a")
    assert code == 0 and note.startswith("note: the text has 42 tokens, the model's context is 16")
    assert arrays(tmp_path / "a/attention.npz")["attention"].shape[2] == 42


def test_transformerlens_of_a_model_that_it_cannot_hold_is_activations_and_a_note(straight, tmp_path):
    words = ["--format", "transformerlens", "--text", TEXT, "--out", tmp_path / "a"]
    code, _, note = jattn("export", straight.path, *words)
    assert code == 0 and "note: no weights, TransformerLens cannot hold model.attention = 'null,local" in note
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["activations.npz"]
    found = arrays(tmp_path / "a/activations.npz")
    for name, array in activations(straight.model, straight.encode(TEXT)).items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert "".join(found["tokens"]) == TEXT and json.loads(str(found["meta"]))["text"] == TEXT


def test_transformerlens_of_a_llama_is_weights_config_and_activations(imported, tmp_path):
    code, _, note = jattn(
        "export", imported, "--format", "transformerlens", "--text", "a b", "--out", tmp_path / "deep/a"
    )
    names = {p.name for p in (tmp_path / "deep/a").iterdir()}
    assert (code, note) == (0, "")
    assert names == {"activations.npz", "config.json", "tokenizer.json", "weights.safetensors"}
    assert json.loads((tmp_path / "deep/a/config.json").read_text())["n_key_value_heads"] == 2
    assert arrays(tmp_path / "deep/a/activations.npz")["tokens"].tolist() == ["<bos>", "a", " ", "b"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a"]


def test_folder_is_named_after_the_run_and_the_format_and_holds_the_same_model(imported):
    code, out, _ = jattn("export", imported, "--format", "llama")
    assert (code, out) == (0, f"{imported}-llama\n")
    before, after = load(imported), load(f"{imported}-llama")
    assert before.config.model == after.config.model
    for name, array in before.parameters.items():
        np.testing.assert_array_equal(after.parameters[name], array, err_msg=name)
    assert after.encode("a b").tolist() == before.encode("a b").tolist()


REFUSED = [
    (["--format", "gpt2"], "--format gpt2 cannot hold model.attention = 'null,local:4' (a null key, a window of 4)"),
    (["--format", "transformerlens"], "--format transformerlens cannot hold model.attention"),
    (["--format", "npy"], "Did you mean 'npz'?"),
    (["--format", "npz"], "add --text TEXT"),
    (["--format", "npz", "--text", ""], "--text is empty"),
    (["--format", "npz", "--text", "null ?"], "--text: text: character '?'"),
    (["--format", "llama", "--text", "null"], "--text: --format llama holds weights only"),
    ([], "--format is missing; choose from: gpt2, llama, bert, gpt_oss, transformerlens, npz"),
]


@pytest.mark.parametrize(("words", "reason"), REFUSED)
def test_refusal_is_one_line_and_leaves_nothing(words, reason, straight, tmp_path):
    code, out, err = jattn("export", straight.path, "--out", tmp_path / "a", *words)
    assert (code, out) == (2, "") and reason in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_empty_is_left_alone(straight, tmp_path):
    (tmp_path / "mine.txt").write_text("here")
    code, _, err = jattn("export", straight.path, "--format", "npz", "--text", "a", "--out", tmp_path)
    assert code == 2 and "not an empty folder" in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
