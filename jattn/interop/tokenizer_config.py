"""The tokenizer's files as transformers reads them, so that it gives the ids that the model was trained on."""

import json
from typing import Any

from jattn.config import ModelConfig
from jattn.interop.special_tokens import TEMPLATE

# What the tokenizers of known models call their special tokens; ours has one, which starts every text.
FIRST = "<bos>"
SPECIAL = {
    "bos_token": (FIRST, "<s>", "<|begin_of_text|>", "<|startoftext|>"),
    "eos_token": ("</s>", "<|end_of_text|>", "<|endoftext|>", "<|return|>"),
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]",),
    "sep_token": ("[SEP]",),
    "mask_token": ("[MASK]",),
}


def tokenizer_files(
    tokenizer: str, config: ModelConfig, carried: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Texts of the tokenizer's files by name, and the special ids for config.json.

    What the model brought along (jattn/interop/special_tokens.py) is said again; what it does not say is known by its
    word. A first token is put before every text, as in training. An id that the tokenizer lacks is null: the defaults
    of the model's class would be ids of another vocabulary.
    """
    from tokenizers import Tokenizer

    told = json.loads(tokenizer)
    special = {t["content"]: t["id"] for t in told.get("added_tokens") or [] if t.get("special")}
    named = {n: next((word for word in words if word in special), None) for n, words in SPECIAL.items()}
    ids = {f"{n}_id": special.get(named[n] or "") for n in ("bos_token", "eos_token", "pad_token")}
    if FIRST in special and not told.get("post_processor"):
        tokenizer = _starting_with(tokenizer, FIRST, special[FIRST])
    words = carried.get("tokenizer", {})
    library = Tokenizer.from_str(tokenizer)  # a word that it lacks would be a new token to transformers
    named |= {n: word for n, word in words.items() if n == TEMPLATE or library.token_to_id(word) is not None}
    # With types in its inputs, transformers' GPT-2 would add an embedding of token 0 to every token.
    types = ["token_type_ids"] if config.token_types else []
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.context,
        "model_input_names": ["input_ids", *types, "attention_mask"],
        "clean_up_tokenization_spaces": False,
    } | {n: word for n, word in named.items() if word}
    texts = {"tokenizer.json": tokenizer, "tokenizer_config.json": json.dumps(settings, indent=2) + "\n"}
    if "generation" in carried:
        texts["generation_config.json"] = json.dumps(carried["generation"], indent=2) + "\n"
    return texts, ids | carried.get("config", {})


def _starting_with(tokenizer: str, word: str, index: int) -> str:
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    library = Tokenizer.from_str(tokenizer)
    library.post_processor = TemplateProcessing(single=f"{word} $A", special_tokens=[(word, index)])
    return library.to_str()
