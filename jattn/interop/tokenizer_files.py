"""The tokenizer of a Hugging Face folder as the JSON of the `tokenizers` library."""

import json
from pathlib import Path
from typing import Any

from jattn.errors import InputError

LARGEST_BYTES = 200 << 20


def read_tokenizer(folder: Path) -> str:
    """tokenizer.json, or the same made from vocab.json + merges.txt (GPT-2) or vocab.txt (BERT).

    Raises InputError where there is none of them, or a sentencepiece model only.
    """
    if (folder / "tokenizer.json").is_file():
        return _canonical(folder / "tokenizer.json")
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _byte_level(folder)
    if (folder / "vocab.txt").is_file():
        return _wordpiece(folder)
    other = next((p.name for p in sorted(folder.glob("*.model"))), None)
    hint = f"; {other} alone is not read, save it with transformers as tokenizer.json" if other else ""
    raise InputError(f"{folder}: there is no tokenizer.json (nor vocab.json with merges.txt, nor vocab.txt){hint}")


def read_text(file: Path) -> str:
    """The text of a file of a tokenizer; InputError if it is too large, or no UTF-8."""
    if file.stat().st_size > LARGEST_BYTES:
        raise InputError(f"{file} has {file.stat().st_size:,} bytes; a tokenizer has at most {LARGEST_BYTES:,}")
    try:
        return file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file} cannot be read ({error})") from None


def _canonical(file: Path) -> str:
    """The file as the library writes it today: old ones lack keys that it fills in."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(read_text(file)).to_str()
    except InputError:
        raise
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{file} is no tokenizer.json ({' '.join(str(error).split())[:200]})") from None


def _byte_level(folder: Path) -> str:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocab = read_object(folder / "vocab.json")
    lines = read_text(folder / "merges.txt").splitlines()
    merges: Any = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    try:
        library = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{folder}: vocab.json and merges.txt make no tokenizer ({error})") from None
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    if "<|endoftext|>" in vocab:
        library.add_special_tokens([AddedToken("<|endoftext|>", special=True, normalized=False)])
    return library.to_str()


def _wordpiece(folder: Path) -> str:
    from tokenizers import BertWordPieceTokenizer

    settings = read_object(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    vocab = {word: i for i, word in enumerate(read_text(folder / "vocab.txt").removesuffix("\n").split("\n"))}
    missing = [t for t in ("[UNK]", "[CLS]", "[SEP]") if t not in vocab]
    if missing:
        raise InputError(f"{folder}: vocab.txt lacks {', '.join(missing)}; is it a BERT's?")
    return BertWordPieceTokenizer(vocab, lowercase=bool(settings.get("do_lower_case", True))).to_str()


def read_object(file: Path) -> dict[str, Any]:
    """The object in a JSON file; InputError if it holds anything else."""
    try:
        value = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"{file}: expected an object, got {type(value).__name__}")
    return value
