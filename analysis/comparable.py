"""Whether runs can be compared at all, and what makes a comparison weaker."""

from analysis.capture.capture import check_finite
from jattn.errors import InputError
from train.runs import Run
from train.windows import predicts_next, text_name


def check_comparable(groups: dict[str, list[Run]]) -> list[str]:
    """Refuse runs with different tokenizers; say what else makes a comparison weaker."""
    for name, rs in groups.items():
        if not rs:
            raise InputError(f"group {name!r} holds no run; give it at least one")
    runs = [r for rs in groups.values() for r in rs]
    for run in runs:
        check_finite(run)
    first = runs[0]
    for run in runs[1:]:
        if run.tokenizer.sha256 != first.tokenizer.sha256:
            raise InputError(
                f"{run.path} and {first.path} have different tokenizers "
                f"({run.tokenizer.vocab_size} and {first.tokenizer.vocab_size} tokens); their losses cannot be compared"
            )
        if _family(run) != _family(first):
            raise InputError(f"{run.path} is a {_family(run)}, {first.path} a {_family(first)}: compare them apart")
    warnings = []
    if len({r.meta["corpus"]["sha256"] for r in runs}) > 1:
        names = sorted({text_name(r) for r in runs})
        warnings.append(
            f"The runs were trained on different text ({'; '.join(names)}): differences may come from that."
        )
    seeds = {name: sorted(r.config.seed for r in rs) for name, rs in groups.items()}
    for name, s in seeds.items():
        if len(set(s)) < len(s):
            twice = next(n for n in s if s.count(n) > 1)
            raise InputError(
                f"group {name!r} holds {s.count(twice)} runs of seed {twice}; a seed is one observation, so give them "
                "groups of their own"
            )
    if len({tuple(s) for s in seeds.values()}) > 1:
        told = "; ".join(f"{name}: {', '.join(map(str, s))}" for name, s in seeds.items())
        warnings.append(f"The groups have different seeds ({told}): only seeds that two groups share are paired.")
    if len(runs) == 1:
        warnings.append("One run: its numbers carry no interval.")
    elif max(map(len, seeds.values())) == 1:
        warnings.append("One seed per group: these numbers carry no interval, and a difference may be chance.")
    for name, rs in groups.items():
        if len({r.config.model.attention for r in rs}) > 1:
            warnings.append(f"Group {name!r} mixes attentions: {', '.join({r.config.model.attention for r in rs})}.")
        if any(layer.sigmoid for r in rs for layer in r.config.model.pattern):
            warnings.append(
                f"Group {name!r} uses sigmoid attention, whose rows do not sum to 1: they are divided by their sum."
            )
    seen = {r.step * r.config.tokens_per_step: r for r in runs}
    if len(seen) > 1:
        (few, a), (many, b) = min(seen.items()), max(seen.items())
        told = f"{few:,} ({a.path.name}, step {a.step:,}) to {many:,} ({b.path.name}, step {b.step:,})"
        warnings.append(f"The runs saw different numbers of tokens: {told}; differences may come from that.")
    contexts = {r.config.model.context: r for r in runs}
    if len(contexts) > 1:
        told = "; ".join(f"{r.path.name}: {context}" for context, r in sorted(contexts.items()))
        warnings.append(f"The runs have different contexts (model.context, {told}).")
    return warnings


def _family(run: Run) -> str:
    """What must agree for windows to be the same."""
    if not run.config.model.causal:
        return "model that sees both sides"
    return "causal model" if predicts_next(run.config.model) else "causal model without an output layer"
