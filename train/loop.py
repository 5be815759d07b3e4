"""One run from start or resume to its last step: dispatch step n, then read the metrics of step n - 1.

The device never waits for the host: a metric is read only once the next step is under way. Ctrl-C (or SIGTERM) finishes
the step, saves, and says how to go on.
"""

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jattn.errors import InputError
from jattn.model import count_parameters
from train import checkpoint, corpora, data, folders, provenance, step
from train.config import RunConfig, flatten, from_dict, override, to_dict
from train.corpora.corpus import RowCorpus, TextCorpus
from train.devices import batches_over_devices, replicated
from train.evaluate import Evaluation, SinkWatch, evenly
from train.metrics import MetricsFile
from train.progress import Bar
from train.reporter import Reporter
from train.start import parameters_from
from train.tokenizers import Tokenizer

# A resumed run may be longer or report more often; anything else would make it another run. The text is compared by
# its hash, and the size of the vocabulary follows from it.
FREE_ON_RESUME = {
    *("steps", "eval_every", "eval_windows", "log_every", "save_every", "keep"),
    *("preset", "data.corpus", "model.vocab_size"),
}


class Stopped(Exception):
    """Training was asked to stop and did, after saving."""


@dataclass(frozen=True)
class Material:
    """The text of a run, ready to train on: its config is complete (vocabulary known)."""

    config: RunConfig
    tokenizer: Tokenizer
    data: data.Data
    corpus: dict[str, Any]
    start: checkpoint.Run | None = None  # whose weights and tokenizer training starts from


def prepare(config: RunConfig, start: checkpoint.Run | None = None) -> Material:
    """Read the corpus, train the tokenizer or take that of the `start`, and complete the config with the vocabulary."""
    d = config.data
    if config.start is not None and start is None:
        start = checkpoint.load(config.start)
    corpus = corpora.load(d.corpus, context=config.length, valid_fraction=d.valid_fraction)
    if start is not None:
        tokenizer = start.tokenizer
    elif isinstance(corpus, RowCorpus):
        tokenizer = Tokenizer.symbols(corpus.alphabet, bos=d.bos)
    else:
        size = d.bpe_size if d.tokenizer == "bpe" else None
        tokenizer = Tokenizer.train(d.tokenizer, corpus.train + corpus.valid, size, bos=d.bos)
    if start is None:
        config = override(config, {"model.vocab_size": tokenizer.vocab_size})
    facts = {"name": corpus.name, "size": corpus.size, "sha256": corpus.sha256}
    encoded = data.encode_corpus(corpus, tokenizer) if start is None else encoded_for(start, corpus)
    for split, tokens in (("training", encoded.train), ("validation", encoded.valid)):
        try:
            data.text_width(tokens, config.length, tokenizer.bos)
        except InputError as error:
            raise InputError(f"{split} split of {d.corpus!r}: {error}") from None
    return Material(config, tokenizer, encoded, facts, start)


def encoded_for(start: checkpoint.Run, corpus: TextCorpus | RowCorpus) -> data.Data:
    """The corpus in the tokens of the run to start from; InputError if it cannot write the text."""
    try:
        return data.encode_corpus(corpus, start.tokenizer)
    except InputError as error:
        raise InputError(
            f"corpus: {start.path} brings its own tokens and cannot write {corpus.name!r} "
            f"({str(error).partition(';')[0]}); name another text with --corpus"
        ) from None


def run(
    config: RunConfig,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    material: Material | None = None,
) -> checkpoint.Run:
    """Train one run into its folder (runs/<name> unless `out`), and load it.

    Deterministic in the config: the same seed gives the same weights and order of data, whatever the attention.
    Raises InputError for bad input, before anything is written; Stopped after a Ctrl-C, when all is saved.
    """
    folder = Path(out) if out is not None else Path("runs") / config.name
    material = material or prepare(config)
    config = material.config
    batches = data.batches(
        material.data.train, context=config.length, batch=config.data.batch, seed=config.seed, bos=_bos(material)
    )
    windows = evenly(data.windows(material.data.valid, context=config.length, bos=_bos(material)), config.eval_windows)
    put = sharder(config.data.batch)
    state, saved = _begin(config, folder, resume, overwrite, material)
    state = replicated(state)
    meta = {
        "config": to_dict(config),
        "tokenizer": material.tokenizer.to_json(),
        "corpus": material.corpus,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "parameters": count_parameters(config.model),
    }
    if material.start is not None and "special" in material.start.meta:
        meta["special"] = material.start.meta["special"]
    shown = {k: v for k, v in meta.items() if k != "tokenizer"}
    (folder / "config.json").write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")
    with (
        _Interrupt() as interrupt,  # outermost: a Ctrl-C while the last save is being written waits for it
        checkpoint.Writer(folder, config.keep) as writer,
        MetricsFile(folder) as metrics,
        Bar(folder.resolve().name, config.steps, start=saved or 0) as bar,
    ):
        _train(config, state, saved, batches, windows, put, writer, metrics, bar, interrupt, meta)
    if interrupt.asked:
        raise Stopped(str(folder))
    return checkpoint.load(folder)


def _bos(material: Material) -> int | None:
    return material.tokenizer.bos


def _begin(config: RunConfig, folder: Path, resume: bool, overwrite: bool, material: Material):
    """The state to start from, fresh or the latest checkpoint of the same run, and the step that is saved already."""
    if not resume:
        state = step.init_state(config, first_parameters(material))
        folders.prepare_folder(folder, overwrite=overwrite)
        return state, None
    check_resumable(folder, material)
    state = checkpoint.load_state(folder, jax.eval_shape(lambda: step.init_state(config)))
    return state, int(state.step)


def first_parameters(material: Material) -> Any:
    """The parameters of the run to start from, with the null that it lacks; None for a run from nothing."""
    if material.start is None:
        return None
    config, bos = material.config, _bos(material)
    tokens = evenly(data.windows(material.data.train, context=config.length, bos=bos), 32)[:, :-1]
    # A step gives its state's memory away; the run that all of them start from keeps its own.
    return jax.tree.map(jax.numpy.copy, parameters_from(material.start, config, tokens))


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


def _train(config, state, saved, batches, windows, put, writer, metrics, bar, interrupt, meta) -> None:
    """Stretches of steps, each up to the next evaluation or checkpoint; `saved` is the step that is on disk."""
    train_step, evaluate = step.make_train_step(config), Evaluation(config, windows)
    report = Reporter(config, metrics, bar)
    watch = SinkWatch(config, windows) if config.watch_sinks else None
    done = saved or 0

    def measured() -> float:
        """The validation loss, written down with what is watched."""
        loss = report.finite("validation loss", evaluate(state.parameters), done)
        extra = watch(state.parameters) if watch else {}
        metrics.write(step=done, valid_loss=loss, valid_tokens=evaluate.tokens, **extra)
        return loss

    if done < config.steps:
        bar.note(f"{bar.title}: compiling, before the first step (a large model takes minutes)")
    if config.start is not None and saved is None:  # training from a model: what it was worth before
        bar.note(f"{bar.title}: step 0  validation loss {measured():.4f}")
    while done < config.steps:
        until = min(config.steps, *(every * (done // every + 1) for every in (config.eval_every, config.save_every)))
        state, done = stretch(train_step, state, done, until, batches, put, report, interrupt)
        last, valid_loss = done == config.steps, None
        if last or done % config.eval_every == 0:
            valid_loss = measured()
            bar.note(f"{bar.title}: step {done}  validation loss {valid_loss:.4f}")
        stops = interrupt.asked  # read once: a Ctrl-C from here on ends the next stretch
        if done != saved and (stops or last or done % config.save_every == 0):
            if valid_loss is None:
                valid_loss = report.finite("validation loss", evaluate(state.parameters), done)
            writer.save(state, done, meta | {"valid_loss": valid_loss})
            saved = done
        if stops:
            break
        report.restart_clock(done)


def stretch(train_step, state, done: int, until: int, batches, put, report, interrupt) -> tuple[Any, int]:
    """The hot loop: steps done..until. The metrics of a step are read once the next one is under way."""
    pending = None
    while done < until and not interrupt.asked:
        state, values = train_step(state, put(batches[done]))
        done += 1
        if pending is not None:
            report(*pending)
        pending = (done, values)
    if pending is not None:
        report(*pending)
    return state, done


def sharder(batch: int):
    """Puts a batch on the devices, split over all of them."""
    count = len(jax.devices())
    if batch % count:
        raise InputError(f"data.batch must be a multiple of the number of devices ({count}), got {batch}")
    return batches_over_devices()


class _Interrupt:
    """Notes Ctrl-C and SIGTERM instead of dying on them; a second one kills as usual."""

    def __init__(self):
        self.asked = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> "_Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._old[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread (a notebook's worker): signals stay as they are
                break
        return self

    def _note(self, number, frame) -> None:
        self.asked = True
        signal.signal(number, self._old[number])

    def __exit__(self, *_) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)
