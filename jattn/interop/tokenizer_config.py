"""The tokenizer's files as transformers reads them, so that it gives the ids that the model was trained on."""

import json
from typing import Any

from jattn.config import ModelConfig

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


def tokenizer_files(tokenizer: str, config: ModelConfig) -> tuple[dict[str, str], dict[str, Any]]:
    """Texts of tokenizer.json and tokenizer_config.json by name, and the special ids for config.json.

    A first token is put before every text, as in training. An id that the tokenizer lacks is null: the defaults of the
    model's class would be ids of another vocabulary.
    """
    told = json.loads(tokenizer)
    special = {t["content"]: t["id"] for t in told.get("added_tokens") or [] if t.get("special")}
    named = {n: next((word for word in words if word in special), None) for n, words in SPECIAL.items()}
    if FIRST in special and not told.get("post_processor"):
        tokenizer = _starting_with(tokenizer, FIRST, special[FIRST])
    # With types in its inputs, transformers' GPT-2 would add an embedding of token 0 to every token.
    types = ["token_type_ids"] if config.token_types else []
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.context,
        "model_input_names": ["input_ids", *types, "attention_mask"],
        "clean_up_tokenization_spaces": False,
    } | {n: word for n, word in named.items() if word}
    texts = {"tokenizer.json": tokenizer, "tokenizer_config.json": json.dumps(settings, indent=2) + "\n"}
    return texts, {f"{n}_id": special.get(named[n] or "") for n in ("bos_token", "eos_token", "pad_token")}


def _starting_with(tokenizer: str, word: str, index: int) -> str:
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    library = Tokenizer.from_str(tokenizer)
    library.post_processor = TemplateProcessing(single=f"{word} $A", special_tokens=[(word, index)])
    return library.to_str()
