"""What a text's tokens say of themselves: which delimit, and which paragraph each belongs to.

Axes: B windows, T tokens, V vocabulary. Source: Clark et al. 2019 (arXiv 1906.04341), section 3 (delimiters).
"""

import unicodedata
from functools import lru_cache

import numpy as np
from jaxtyping import Array, Bool, Int

from jattn.errors import at_least
from train.tokenizers import Tokenizer


@lru_cache(maxsize=8)
def delimiters(tokenizer: Tokenizer) -> Bool[np.ndarray, " V"]:
    """Which token ids delimit: punctuation only (Unicode class P), blank with a line break, or special ([SEP], <bos>).

    The white space that a token carries, and the marks that other libraries write for it (▁, ##), do not count.
    """
    return np.array([i in tokenizer.special_ids or _delimits(tokenizer.token(i)) for i in range(tokenizer.vocab_size)])


def paragraphs(tokenizer: Tokenizer, tokens: Int[Array | np.ndarray, "B T"], breaks: int = 2) -> Int[np.ndarray, "B T"]:
    """The paragraph that each token belongs to, from 0: a new one starts after `breaks` line breaks with only white
    space between them (2: blank lines; 1: every line). Raises InputError if breaks < 1.
    """
    at_least("breaks (line breaks between two paragraphs)", breaks, 1)
    tokens = np.asarray(tokens)
    ids, inverse = np.unique(tokens, return_inverse=True)
    texts = [tokenizer.token(int(i)) for i in ids]
    blank = np.array([not text.strip() for text in texts])[inverse].reshape(tokens.shape)
    ending = np.array([text[len(text.rstrip()) :].count("\n") for text in texts])[inverse].reshape(tokens.shape)
    paragraph, run = np.zeros_like(tokens), np.zeros(len(tokens), int)  # run: line breaks since the last ink
    for t in range(tokens.shape[1]):
        paragraph[:, t] = (paragraph[:, t - 1] if t else 0) + (~blank[:, t] & (run >= breaks))
        run = np.where(blank[:, t], run, 0) + ending[:, t]
    return paragraph


def _delimits(text: str) -> bool:
    ink = text.replace("▁", "").strip()
    if not ink:
        return "\n" in text
    ink = ink[2:] if ink.startswith("##") and len(ink) > 2 else ink
    return ink == "<0x0A>" or all(unicodedata.category(c).startswith("P") for c in ink)
