"""What a model gains from its context: loss late against early, and on random tokens that are said twice.

Axes: W windows, T targets of a window (target t follows t tokens), P tokens of the part that is repeated.
Sources: Olsson et al. 2022, In-context Learning and Induction Heads; Elhage et al. 2021.
"""

import numpy as np
from jaxtyping import Float, Int

from jattn.errors import InputError, at_least

MIN_TOKENS = 10  # so that a tenth of a window is a token


def early_and_late(T: int) -> tuple[slice, slice]:
    """The targets that `icl_score` compares: after T/10 to T/5 tokens, and the last tenth. Raises InputError below 10.

    Olsson et al. take the single targets 50 and 500 of 512, over 10,000 texts; a tenth of the window each is the same
    place, with enough targets for a few dozen windows.
    """
    at_least("windows: tokens per window for the in-context-learning score", T, MIN_TOKENS)
    return slice(T // 10, T // 5), slice(T - T // 10, T)


def icl_score(losses: Float[np.ndarray, "W T"]) -> Float[np.ndarray, " W"]:
    """In-context-learning score: mean loss late in the window less the mean early in it, in nats (`early_and_late`).

    Negative where more context helps; 0 for a model that looks at nothing. It depends on T: compare at equal T.
    """
    early, late = early_and_late(losses.shape[1])
    return losses[:, late].mean(1) - losses[:, early].mean(1)


def said_twice(tokens: Int[np.ndarray, " V"], count: int, T: int, seed: int = 0) -> Int[np.ndarray, "{count} T2"]:
    """`count` rows of P random tokens, all different, said twice: [count, 2 P].

    tokens: the ids to draw from. P = T // 2, or as many as there are if that is fewer. Raises InputError if P < 3 (a
    copy of fewer has nothing to compare).
    """
    at_least("tokens: T of the repeated random tokens", T, 6)
    if len(tokens) < 3:
        raise InputError(f"repeated random tokens need a vocabulary of 3 or more, got {len(tokens)}")
    rng, P = np.random.default_rng(seed), min(T // 2, len(tokens))
    half = np.stack([rng.choice(tokens, P, replace=False) for _ in range(count)])
    return np.concatenate([half, half], 1).astype(np.int32)


def second_copy_gain(losses: Float[np.ndarray, "W T"]) -> Float[np.ndarray, " W"]:
    """Mean loss on the second copy less the mean on the first, in nats: negative where the copy is used.

    losses: of the 2 P - 1 targets of `said_twice`. The first token of either copy is no target of this: nothing says
    what comes first. 0 for a model that looks at nothing; about -log V for a perfect induction head.
    """
    P = (losses.shape[1] + 1) // 2
    return losses[:, P:].mean(1) - losses[:, : P - 1].mean(1)
