"""What a run trains on: the text in tokens, the tokenizer, the complete config, and the weights that it starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jattn.errors import InputError
from jattn.model import Parameters
from train import checkpoint, corpora, data, folders
from train.config import RunConfig, flatten, from_dict, override
from train.corpora.corpus import RowCorpus, TextCorpus
from train.evaluate import evenly
from train.pretrained import pretrained_parameters
from train.runs import Run
from train.tokenizers import Tokenizer

# A resumed run may be longer or report more often; anything else would make it another run. The text is compared by
# its hash, and the size of the vocabulary follows from it.
FREE_ON_RESUME = {
    *("steps", "eval_every", "eval_windows", "log_every", "save_every", "keep"),
    *("preset", "data.corpus", "model.vocab_size"),
}


@dataclass(frozen=True)
class Material:
    """The text of a run, ready to train on: its config is complete (vocabulary known)."""

    config: RunConfig
    tokenizer: Tokenizer
    data: data.Data
    corpus: dict[str, Any]
    pretrained: Run | None = None  # whose weights and tokenizer training starts from

    @property
    def bos(self) -> int | None:
        """The fixed first token of every text, if it has one."""
        return self.tokenizer.bos


def prepare(config: RunConfig, pretrained: Run | None = None) -> Material:
    """Read the corpus, train the tokenizer or take that of the `pretrained` run, complete the config with its size."""
    d = config.data
    if config.init_from is not None and pretrained is None:
        pretrained = checkpoint.load(config.init_from)
    corpus = corpora.load(d.corpus, context=config.length, valid_fraction=d.valid_fraction)
    if pretrained is not None:
        tokenizer = pretrained.tokenizer
    elif isinstance(corpus, RowCorpus):
        tokenizer = Tokenizer.symbols(corpus.alphabet, bos=d.bos)
    else:
        size = d.bpe_size if d.tokenizer == "bpe" else None
        tokenizer = Tokenizer.train(d.tokenizer, corpus.train + corpus.valid, size, bos=d.bos)
    if pretrained is None:
        config = override(config, {"model.vocab_size": tokenizer.vocab_size})
    facts = {"name": corpus.name, "size": corpus.size, "sha256": corpus.sha256}
    encoded = data.encode_corpus(corpus, tokenizer) if pretrained is None else encoded_for(pretrained, corpus)
    for split, tokens in (("training", encoded.train), ("validation", encoded.valid)):
        try:
            data.text_width(tokens, config.length, tokenizer.bos)
        except InputError as error:
            raise InputError(f"{split} split of {d.corpus!r}: {error}") from None
    return Material(config, tokenizer, encoded, facts, pretrained)


def encoded_for(pretrained: Run, corpus: TextCorpus | RowCorpus) -> data.Data:
    """The corpus in the tokens of the pretrained model; InputError if it cannot write the text."""
    try:
        return data.encode_corpus(corpus, pretrained.tokenizer)
    except InputError as error:
        raise InputError(
            f"corpus: {pretrained.path} brings its own tokens and cannot write {corpus.name!r} "
            f"({str(error).partition(';')[0]}); name another text with --corpus"
        ) from None


def initial_parameters(material: Material) -> Parameters | None:
    """The parameters of the pretrained model, with the null that it lacks; None for a run from nothing."""
    if material.pretrained is None:
        return None
    config, bos = material.config, material.bos
    tokens = evenly(data.windows(material.data.train, context=config.length, bos=bos), 32)[:, :-1]
    # A step gives its state's memory away; the run that all of them start from keeps its own.
    return jax.tree.map(jax.numpy.copy, pretrained_parameters(material.pretrained, config, tokens))


def check_resumable(folder: Path, material: Material) -> None:
    """InputError unless the run in the folder can go on with this config and text."""
    meta = checkpoint.read_meta(folder)
    stored, given = flatten(from_dict(RunConfig, meta["config"])), flatten(material.config)
    folders.check_same(stored, given, FREE_ON_RESUME)
    if meta["corpus"]["sha256"] != material.corpus["sha256"]:
        raise InputError(
            f"resume: the text of {given['data.corpus']!r} has changed since the run in {str(folder)!r}; "
            "give it the old text, or choose another --out"
        )
