"""Which windows of which text are read: token ids, with what each kind of model expects around them.

A causal model reads T tokens and is asked for the next at each: T + 1 ids a window, the last only a target. A model
that sees both sides (BERT) is asked for nothing: T ids a window, its [CLS] and [SEP] around the text and counted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from jattn.config import ModelConfig
from jattn.errors import InputError, at_least
from train import corpora, data
from train.corpora.corpus import RowCorpus, TextCorpus
from train.evaluate import evenly
from train.runs import Run

Frame = tuple[tuple[int, ...], tuple[int, ...]]  # ids before and after every text


def predicts_next(config: ModelConfig) -> bool:
    """Whether the model is one of the next token, so that windows have targets and a loss."""
    return config.causal and config.output.kind != "none"


def windows_of(run: Run, valid: data.Tokens, T: int, count: int) -> Int[np.ndarray, "W columns"]:
    """At most `count` windows of T tokens, evenly spaced over a split: [W, T + 1] with targets, [W, T] without."""
    config, (before, after) = run.config.model, run.tokenizer.frame
    if config.causal:
        windows = data.windows(valid, context=T, bos=run.tokenizer.bos)
        return evenly(windows if predicts_next(config) else windows[:, :-1], count)
    if valid.ndim > 1:
        raise InputError("corpus: a model that sees both sides reads text, not rows of symbols; name a text")
    at_least(f"tokens (the {len(before) + len(after)} around the text included)", T, len(before) + len(after) + 2)
    width = T - len(before) - len(after)
    if len(valid) < width:
        raise InputError(f"the text is too short: {len(valid)} tokens, at least {width} are needed; give more text")
    pieces = evenly(valid[: len(valid) // width * width].reshape(-1, width), count)
    around = [np.tile(np.array(ids, np.int32), (len(pieces), 1)) for ids in (before, after)]
    return np.concatenate([around[0], pieces, around[1]], 1)


def frame_keys(config: ModelConfig, frame: Frame, tokens: Any) -> Mapping[str, Bool[Any, "B T"]]:
    """Which keys are the tokens put around the text, for a model that sees both sides: measure -> mask.

    BERT's are [CLS] before and [SEP] after (Clark et al. 2019, section 3.2, counts attention to both).
    """
    shares = zip(("cls_share", "sep_share"), frame, strict=True)
    return {} if config.causal else {name: sum(tokens == i for i in ids) > 0 for name, ids in shares if ids}


def text_of(run: Run, corpus: str | None) -> TextCorpus | RowCorpus:
    """The text that a run was trained on, which may have moved to `corpus`; for an imported run any text will do.

    Raises InputError where there is no such text, or it is not the one of the run.
    """
    d = run.config.data
    try:
        text = corpora.load(corpus or d.corpus, context=run.config.model.context, valid_fraction=d.valid_fraction)
    except InputError as error:
        raise InputError(f"{error} (the text of {run.path}; has it moved? name it with --corpus)") from error
    trained_on = run.meta["corpus"]["sha256"]
    if trained_on is not None and text.sha256 != trained_on:
        raise InputError(
            f"corpus: the text of {corpus or d.corpus!r} is not the one that {run.path} was trained on "
            f"({text.sha256[:8]}, trained on {trained_on[:8]}); name the right file with --corpus"
        )
    return text


def text_name(run: Run) -> str:
    """A run's text in a few words, for a warning."""
    told = run.meta["corpus"]
    return f"{Path(told['name']).name} {told['sha256'][:8]}" if told["sha256"] else told["name"]
