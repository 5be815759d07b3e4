"""Special tokens of a model of another library: which ids begin, end and pad a text, and the words of a chat.

No logits depend on them, but sampling stops at the end, and an export says them again. They travel as one plain object

    config      bos_token_id, eos_token_id (one or a list), pad_token_id: as in config.json
    generation  the whole of generation_config.json, if there is one; its end tokens come before those of `config`
    tokenizer   bos_token, eos_token, ... as words, and chat_template: as in tokenizer_config.json
"""

from pathlib import Path
from typing import Any

from jattn.interop.tokenizer_files import read_object, read_text

IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
WORDS = ("bos_token", "eos_token", "pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
TEMPLATE = "chat_template"
GGUF = {
    "bos": "bos",
    "eos": "eos",
    "pad": "padding",
    "unk": "unknown",
    "cls": "cls",
    "sep": "seperator",
    "mask": "mask",
}
"""GGUF's names of them; `seperator` is spelled so in the files."""
GGUF_TURNS = ("eot", "eom")  # ends of a turn and of a message, where a model has them apart from the end of a text


def from_folder(folder: Path, config: dict[str, Any], size: int) -> dict[str, Any]:
    """The special tokens of a Hugging Face folder; ids that are none of `size` tokens (often -1) are left out.

    Raises InputError for a file that is no JSON object.
    """
    special_tokens: dict[str, Any] = {"config": {n: config[n] for n in IDS if n in config and _named(config[n], size)}}
    if (folder / "generation_config.json").is_file():
        special_tokens["generation"] = read_object(folder / "generation_config.json")
    told = read_object(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    words = {n: told[n]["content"] if isinstance(told[n], dict) else told[n] for n in WORDS if told.get(n)}
    template = told.get(TEMPLATE)
    if (folder / f"{TEMPLATE}.jinja").is_file():
        template = read_text(folder / f"{TEMPLATE}.jinja")
    special_tokens["tokenizer"] = {n: word for n, word in words.items() if isinstance(word, str)} | _template(template)
    return special_tokens


def from_gguf(values: dict[str, Any], tokens: list[str]) -> dict[str, Any]:
    """The special tokens in the metadata of a GGUF file; numbers that are none of its tokens are left out."""
    number = {n: values.get(f"tokenizer.ggml.{theirs}_token_id") for n, theirs in GGUF.items()}
    number = {n: i for n, i in number.items() if type(i) is int and 0 <= i < len(tokens)}
    special_tokens: dict[str, Any] = {"config": {n: number[n[:3]] for n in IDS if n[:3] in number}}
    turns = [i for n in GGUF_TURNS if _named(i := values.get(f"tokenizer.ggml.{n}_token_id"), len(tokens)) and i]
    ends = list(dict.fromkeys([*([number["eos"]] if "eos" in number else []), *turns]))
    if len(ends) > 1:
        special_tokens["generation"] = special_tokens["config"] | {"eos_token_id": ends}
    words = {f"{n}_token": tokens[i] for n, i in number.items()}
    special_tokens["tokenizer"] = words | _template(values.get(f"tokenizer.{TEMPLATE}"))
    return special_tokens


def ends_of(special_tokens: dict[str, Any], size: int) -> tuple[int, ...]:
    """The ids, of `size` tokens, at which a text of the model ends; none for a model that has none."""
    for part in ("generation", "config"):
        ids = special_tokens.get(part, {}).get("eos_token_id")
        if ids is not None:
            return tuple(i for i in (ids if isinstance(ids, list) else [ids]) if _named(i, size))
    return ()


def _named(value: Any, size: int) -> bool:
    """Whether a value is nothing, the id of a token, or a list of ids."""
    values = value if isinstance(value, list) else [value]
    return value is None or all(type(i) is int and 0 <= i < size for i in values)


def _template(template: Any) -> dict[str, Any]:
    return {TEMPLATE: template} if template else {}
