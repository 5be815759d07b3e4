"""Special tokens and chat templates come in with a model and go out with it; no logits depend on them."""

import json

import pytest

from jattn import interop
from jattn.interop.special_tokens import ends_of, from_folder, from_gguf
from train.checkpoint import load, save_imported

TEMPLATE = "{{ messages[0].content }}<|end|>"
ID = "tokenizer__ggml__{}_token_id"
GGUF = {
    ID.format("eos"): 257,
    ID.format("padding"): 256,
    ID.format("mask"): (1 << 32) - 1,  # what -1 is as an unsigned number: none
    "tokenizer__chat_template": TEMPLATE,
}


def test_gguf_keeps_ids_words_and_template_and_an_export_says_them_again(tiny, tmp_path):
    found = interop.read(tiny().gguf(tmp_path / "tiny.gguf", **GGUF))
    assert found.special_tokens == {
        "config": {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 256},
        "tokenizer": {
            "bos_token": "<|end|>",
            "eos_token": "<|user|>",
            "pad_token": "<|end|>",
            "chat_template": TEMPLATE,
        },
    }
    out = interop.write(
        found.config, found.parameters, found.tokenizer, tmp_path / "out", "llama", found.special_tokens
    )
    told, words = (json.loads((out / name).read_text()) for name in ("config.json", "tokenizer_config.json"))
    assert found.special_tokens["config"].items() <= told.items()
    assert found.special_tokens["tokenizer"].items() <= words.items()
    assert not (out / "generation_config.json").exists()
    assert interop.read(out).special_tokens == found.special_tokens


def test_end_of_a_turn_ends_a_text_too(tiny, tmp_path):
    found = interop.read(tiny().gguf(tmp_path / "tiny.gguf", **GGUF, **{ID.format("eot"): 256}))
    assert found.special_tokens["generation"]["eos_token_id"] == [257, 256]
    assert ends_of(found.special_tokens, 262) == (257, 256)
    out = interop.write(
        found.config, found.parameters, found.tokenizer, tmp_path / "out", "llama", found.special_tokens
    )
    assert json.loads((out / "generation_config.json").read_text())["eos_token_id"] == [257, 256]


def test_folder_keeps_its_files_words_and_settings(tiny, tmp_path):
    folder = tiny().folder(tmp_path / "a", eos_token_id=257, bos_token_id=None, pad_token_id=-1)
    settings = {"eos_token_id": [257, 256], "temperature": 0.6}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    told = {"eos_token": {"content": "<|user|>"}, "bos_token": "not a token of it", "pad_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    run = load(folder)
    assert run.special_tokens["config"] == {"eos_token_id": 257, "bos_token_id": None}
    assert run.ends == (257, 256)
    out = interop.write(
        run.config.model, run.parameters, run.tokenizer.json, tmp_path / "out", "llama", run.special_tokens
    )
    words = json.loads((out / "tokenizer_config.json").read_text())
    assert words["eos_token"] == "<|user|>" and words["chat_template"] == TEMPLATE
    assert "bos_token" not in words  # transformers would add it as a new token
    assert json.loads((out / "generation_config.json").read_text()) == settings


def test_run_that_was_imported_keeps_them(tiny, tmp_path):
    run = load(tiny().gguf(tmp_path / "tiny.gguf", **GGUF))
    save_imported(run, tmp_path / "run")
    again = load(tmp_path / "run")
    assert again.special_tokens == run.special_tokens and again.ends == (257,)


def test_model_that_names_no_end_has_none(tiny, tmp_path):
    assert load(tiny().folder(tmp_path / "a")).ends == ()
    assert ends_of({}, 5) == () and ends_of(from_gguf({}, ["a"]), 5) == ()


@pytest.mark.parametrize("text", ["[]", "{", '"eos"'])
def test_settings_that_are_no_object_are_refused_in_one_line(tmp_path, text):
    from jattn.errors import InputError

    (tmp_path / "generation_config.json").write_text(text)
    with pytest.raises(InputError, match=r"generation_config\.json") as error:
        from_folder(tmp_path, {}, 5)
    assert "\n" not in str(error.value)
