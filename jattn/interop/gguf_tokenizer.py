"""The tokenizer in a GGUF file's metadata as the JSON of the `tokenizers` library.

Two kinds: byte-level BPE with merges ("gpt2"), and sentencepiece's BPE with a score per piece ("llama").
Source: llama.cpp's llama-vocab.cpp for how each `tokenizer.ggml.pre` splits text, Kudo and Richardson 2018 for pieces.
"""

import math
from collections.abc import Callable
from typing import Any

from jattn.errors import InputError
from jattn.interop.config_keys import Keys, shown
from jattn.interop.gguf_header import AGAIN

P = "tokenizer.ggml."
UNKNOWN, CONTROL, USER_DEFINED, NORMAL = 2, 3, 4, 1
SPACE = "▁"  # what sentencepiece writes for a space
LONGEST_PIECE = 1000  # characters; sentencepiece's own limit is 512

_WORDS = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_GPT2 = rf"'s|'t|'re|'ve|'m|'ll|'d|{_WORDS}"


def _tiktoken(digits: int) -> str:
    """The split of Llama 3 and Qwen2, which differ in how many digits stay together."""
    number = rf"\p{{N}}{{1,{digits}}}" if digits > 1 else r"\p{N}"
    return (
        rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{number}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


# Each splits what the one before has left; "default" is llama.cpp's for models it knows no better for.
SPLITS = {
    "gpt-2": [_GPT2],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "smollm": [r"\p{N}", _GPT2],
    "llama-bpe": [_tiktoken(3)],
    "qwen2": [_tiktoken(1)],
}


def tokenizer_json(values: dict[str, Any], where: str) -> str:
    """The tokenizer of a file with this metadata.

    Raises InputError for a kind, a split or a key that is not known, and for lists that do not fit each other.
    """
    keys = Keys({k: v for k, v in values.items() if k.startswith("tokenizer.") and not _harmless(k)}, where)
    tokens = token_list(keys.values, where)
    keys.values.pop(P + "tokens")
    types = keys(P + "token_type", list, [NORMAL] * len(tokens))
    if len(types) != len(tokens) or not all(type(t) is int for t in types):
        raise InputError(f"{where}: {P}token_type must name a type for each of {len(tokens):,} tokens")
    kind = keys(P + "model", str)
    if kind not in KINDS:
        raise InputError(f"{where}: {P}model {shown(kind)} is not supported; supported: {', '.join(KINDS)}")
    front = keys(P + "add_bos_token", bool, kind == "llama" or values.get(P + "pre") == "llama-bpe")
    behind = keys(P + "add_eos_token", bool, False)
    keys.only(P + "add_sep_token", False)
    unknown = _token(values, "unknown", tokens, where)
    try:
        made = KINDS[kind](tokens, types, keys, unknown)
        _add_special(made, tokens, types)
        _add_template(made, values, tokens, front, behind, where)
        keys.done()
        return made.to_str()
    except InputError:
        raise
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{where}: its tokens and merges make no tokenizer ({shown(str(error))})") from None


def token_list(values: dict[str, Any], where: str) -> list[str]:
    """The tokens of a file, each once."""
    tokens = values.get(P + "tokens")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(t, str) for t in tokens):
        raise InputError(f"{where}: {P}tokens must be a list of strings, got {shown(tokens)}; a model needs its tokens")
    seen: set[str] = set()
    for token in tokens:
        if token in seen:
            raise InputError(f"{where}: {P}tokens holds {shown(token)} twice; which one is meant?")
        seen.add(token)
    return tokens


def _harmless(key: str) -> bool:
    """Special tokens by number, the words of a chat, the original in JSON: none changes how a text is split."""
    chat = key.startswith("tokenizer.chat_template")
    return chat or key == "tokenizer.huggingface.json" or (key.startswith(P) and key.endswith("_token_id"))


def _byte_level(tokens: list[str], _types: list[int], keys: Keys, _unknown: str | None) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    pre = keys(P + "pre", str, None)
    if pre not in SPLITS:
        told = f"is {shown(pre)}" if pre else "is missing (convert the model again with a newer llama.cpp)"
        raise InputError(f"{keys.where}: {P}pre {told}; how text is split must be one of {', '.join(SPLITS)}")
    keys.only(P + "add_space_prefix", False)
    merges: Any = [tuple(m.split(" ")) if isinstance(m, str) else () for m in keys(P + "merges", list)]
    if (wrong := next((i for i, m in enumerate(merges) if len(m) != 2), None)) is not None:
        raise InputError(f"{keys.where}: {P}merges entry {wrong} is no pair: {AGAIN}")
    keys.values.pop(P + "scores", None)  # BPE with merges has no use for them
    vocab = {token: i for i, token in enumerate(tokens)}
    # Llama 3's tokens come from tiktoken: a word that is a token is that token, whatever the merges say.
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=pre == "llama-bpe"))
    if pre == "qwen2":
        made.normalizer = normalizers.NFC()
    splits = [pre_tokenizers.Split(Regex(s), "isolated") for s in SPLITS[pre]]
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    return made


def _sentencepiece(tokens: list[str], types: list[int], keys: Keys, unknown: str | None) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers

    scores = keys(P + "scores", list)
    if len(scores) != len(tokens) or not all(isinstance(s, float) and math.isfinite(s) for s in scores):
        raise InputError(f"{keys.where}: {P}scores must be a number for each of {len(tokens):,} tokens")
    keys.only(P + "pre", "default")
    keys.only(P + "remove_extra_whitespaces", False)
    prefix = keys(P + "add_space_prefix", bool, True)
    vocab = {token: i for i, token in enumerate(tokens)}
    given = keys(P + "merges", list, None)
    if given is not None:
        raise InputError(f"{keys.where}: {P}merges with {P}model 'llama' is not supported, only scores")
    merges = piece_merges(tokens, types, scores, keys.where)
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    put = [normalizers.Prepend(SPACE)] if prefix else []
    made.normalizer = normalizers.Sequence([*put, normalizers.Replace(" ", SPACE)])
    back = [decoders.Strip(" ", 1, 0)] if prefix else []
    made.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *back])
    return made


def piece_merges(tokens: list[str], types: list[int], scores: list[float], where: str) -> list[tuple[str, str]]:
    """The pairs that make a piece, best piece first: sentencepiece joins the neighbours whose piece scores highest."""
    pieces = {
        token: (-score, i)
        for i, (token, kind, score) in enumerate(zip(tokens, types, scores, strict=True))
        if kind == NORMAL
    }
    merges = []
    for piece, rank in pieces.items():
        if len(piece) > LONGEST_PIECE:
            raise InputError(f"{where}: a piece of {len(piece):,} characters; sentencepiece has none over 512: {AGAIN}")
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in pieces and right in pieces:
                merges.append((rank, pieces[left], left, right))
    return [(left, right) for _, _, left, right in sorted(merges)]


KINDS: dict[str, Callable[..., Any]] = {"gpt2": _byte_level, "llama": _sentencepiece}


def _add_special(made: Any, tokens: list[str], types: list[int]) -> None:
    """Control tokens are special; tokens of the user's are found whole in a text, and shown."""
    from tokenizers import AddedToken

    pairs = list(zip(tokens, types, strict=True))
    made.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t, k in pairs if k in (CONTROL, UNKNOWN)]
    )
    made.add_tokens([AddedToken(t, special=False, normalized=False) for t, k in pairs if k == USER_DEFINED])


def _add_template(made: Any, values: dict[str, Any], tokens: list[str], front: bool, behind: bool, where: str) -> None:
    """Put the token of the beginning and that of the end where the file asks for them."""
    from tokenizers import processors

    if not front and not behind:
        return
    first = [_needed(values, "bos", tokens, where)] if front else []
    last = [_needed(values, "eos", tokens, where)] if behind else []
    ids = [(t, made.token_to_id(t)) for t in dict.fromkeys(first + last)]
    one, two = [*first, "$A", *last], [*(f"{t}:1" for t in first), "$B:1", *(f"{t}:1" for t in last)]
    made.post_processor = processors.TemplateProcessing(single=one, pair=one + two, special_tokens=ids)


def _needed(values: dict[str, Any], name: str, tokens: list[str], where: str) -> str:
    token = _token(values, name, tokens, where)
    if token is None:
        raise InputError(f"{where}: {P}add_{name}_token needs {P}{name}_token_id, which is missing")
    return token


def _token(values: dict[str, Any], name: str, tokens: list[str], where: str) -> str | None:
    """A special token by the key that holds its number."""
    index = values.get(f"{P}{name}_token_id")
    if index is None:
        return None
    if type(index) is not int or not 0 <= index < len(tokens):
        raise InputError(f"{where}: {P}{name}_token_id = {shown(index)} is none of {len(tokens):,} tokens")
    return tokens[index]
