"""Whether runs can be compared at all, and what makes a comparison weaker."""

from collections.abc import Iterator, Mapping, Sequence

from analysis.capture.capture import check_finite
from jattn.errors import InputError
from train.runs import Run
from train.windows import predicts_next, text_name

Groups = Mapping[str, Sequence[Run]]


def check_comparable(groups: Groups) -> list[str]:
    """Refuse runs that read other windows or repeat a seed; say what else makes a comparison weaker."""
    for name, runs in groups.items():
        if not runs:
            raise InputError(f"group {name!r} holds no run; give it at least one")
    every = [run for runs in groups.values() for run in runs]
    _check_alike(every)
    _check_seeds(groups)
    return [*_of_text(every), *_of_seeds(groups), *_of_attention(groups), *_of_training(every)]


def _check_alike(runs: Sequence[Run]) -> None:
    """InputError unless all can read the same windows, with finite parameters."""
    for run in runs:
        check_finite(run)
    first = runs[0]
    for run in runs[1:]:
        if run.tokenizer.sha256 != first.tokenizer.sha256:
            raise InputError(
                f"{run.path} and {first.path} have different tokenizers "
                f"({run.tokenizer.vocab_size} and {first.tokenizer.vocab_size} tokens); their losses cannot be compared"
            )
        if _kind(run) != _kind(first):
            raise InputError(f"{run.path} is a {_kind(run)}, {first.path} a {_kind(first)}: compare them apart")


def _kind(run: Run) -> str:
    """What must agree for windows to be the same."""
    if not run.config.model.causal:
        return "model that sees both sides"
    return "causal model" if predicts_next(run.config.model) else "causal model without an output layer"


def _check_seeds(groups: Groups) -> None:
    for name, runs in groups.items():
        seeds = [run.config.seed for run in runs]
        twice = next((seed for seed in sorted(seeds) if seeds.count(seed) > 1), None)
        if twice is not None:
            raise InputError(
                f"group {name!r} holds {seeds.count(twice)} runs of seed {twice}; a seed is one observation, so give "
                "them groups of their own"
            )


def _of_text(runs: Sequence[Run]) -> Iterator[str]:
    if len({run.meta["corpus"]["sha256"] for run in runs}) > 1:
        names = sorted({text_name(run) for run in runs})
        yield f"The runs were trained on different text ({'; '.join(names)}): differences may come from that."


def _of_seeds(groups: Groups) -> Iterator[str]:
    seeds = {name: sorted(run.config.seed for run in runs) for name, runs in groups.items()}
    if len({tuple(s) for s in seeds.values()}) > 1:
        told = "; ".join(f"{name}: {', '.join(map(str, s))}" for name, s in seeds.items())
        yield f"The groups have different seeds ({told}): only seeds that two groups share are paired."
    if sum(map(len, seeds.values())) == 1:
        yield "One run: its numbers carry no interval."
    elif max(map(len, seeds.values())) == 1:
        yield "One seed per group: these numbers carry no interval, and a difference may be chance."


def _of_attention(groups: Groups) -> Iterator[str]:
    for name, runs in groups.items():
        attentions = {run.config.model.attention for run in runs}
        if len(attentions) > 1:
            yield f"Group {name!r} mixes attentions: {', '.join(attentions)}."
        if any(layer.sigmoid for run in runs for layer in run.config.model.pattern):
            yield f"Group {name!r} uses sigmoid attention, whose rows do not sum to 1: they are divided by their sum."


def _of_training(runs: Sequence[Run]) -> Iterator[str]:
    seen = {run.step * run.config.tokens_per_step: run for run in runs}
    if len(seen) > 1:
        (few, a), (many, b) = min(seen.items()), max(seen.items())
        told = f"{few:,} ({a.path.name}, step {a.step:,}) to {many:,} ({b.path.name}, step {b.step:,})"
        yield f"The runs saw different numbers of tokens: {told}; differences may come from that."
    contexts = {run.config.model.context: run for run in runs}
    if len(contexts) > 1:
        told = "; ".join(f"{run.path.name}: {context}" for context, run in sorted(contexts.items()))
        yield f"The runs have different contexts (model.context, {told})."
