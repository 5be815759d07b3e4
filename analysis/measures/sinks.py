"""How much attention goes to nothing: to the null, or to the first token that stands in for it.

Axes: B windows, N heads, T queries and T keys (self-attention on the same text). `weights[b, n, t, s]` is the attention
of query t on real key s, and each row sums to 1 - null_mass. Positions are counted from 1 in every formula. Where a
mask matters (a window, both sides) it is an argument; the others read t >= k whatever the mask.
Quote T and the floor (`alpha_floor`) with each number: uniform attention alone gives alpha_1 = 0.074 at T = 64.

Sources: Gu et al. 2024, When Attention Sink Emerges (arXiv 2410.10781), section 3; Vig and Belinkov 2019, Analyzing
the Structure of Attention (arXiv 1906.04284), section 5.2.3.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.stats import mode

from jattn.errors import InputError, at_least

# A row with less real attention than this has no meaningful conditional distribution: dividing would show noise.
EPS = (0.1, 0.2, 0.3)  # thresholds of the sink rate; 0.3 is Gu et al.'s
MIN_REAL_MASS = 1e-6
MOST_NULL = 0.9  # of a query's attention; above it the rest says little (Vig and Belinkov 2019, section 5.2.3)


def alpha(weights: Float[Array, "B N T T"], k: int = 1) -> Float[Array, "B N"]:
    """alpha_k = mean over queries t >= k of A[t, k]: how much every query that can see key k gives to it.

    k counts from 1; query k itself is included (A[1, 1] = 1 without a null). In [0, 1].
    Raises InputError if k is not a position. Source: Gu et al. 2024, section 3.2.
    """
    _check_key(k, weights.shape[-1])
    return weights[:, :, k - 1 :, k - 1].mean(-1)


def alpha_null(null_mass: Float[Array, "B N T"]) -> Float[Array, "B N"]:
    """alpha_* = mean over all queries of the null mass: alpha with the null as the key. In [0, 1]. Source: Gu 2024."""
    return null_mass.mean(-1)


def sink_rate(alpha: Float[Array, "B N"], eps: float) -> Float[Array, "B N"]:
    """1 where alpha is above eps, else 0: its mean over windows is the sink rate of the head. Source: Gu et al. 2024,
    section 3.1."""
    return (alpha > eps).astype(alpha.dtype)


def null_share(null_mass: Float[Array, "B N T"]) -> Float[Array, "B N"]:
    """Mean null mass over queries t >= 2, comparable with `first_token_share`. In [0, 1].

    Query 1 is left out because in a model without a null it has no choice. Raises InputError if T < 2.
    Source: Vig and Belinkov 2019, section 5.2.3, with the null in the place of the first token.
    """
    at_least("null_mass: number of queries T", null_mass.shape[-1], 2)
    return null_mass[..., 1:].mean(-1)


def first_token_share(weights: Float[Array, "B N T T"]) -> Float[Array, "B N"]:
    """Mean over queries t >= 2 of A[t, 1], the "null attention" of a model without a null. In [0, 1].

    GPT-2 small gives 0.57 on average. Raises InputError if T < 2. Source: Vig and Belinkov 2019, section 5.2.3.
    """
    at_least("weights: number of queries T", weights.shape[-2], 2)
    return weights[:, :, 1:, 0].mean(-1)


def key_share(weights: Float[Array, "B N T T"], keys: Bool[Array, "B T"]) -> Float[Array, "B N"]:
    """Mean over queries t >= 2 of sum_s A[t, s] over the marked keys: of all attention, what goes to those tokens.

    In [0, 1], the null's part not added back. Query 1 is left out as in `first_token_share`, which this equals where
    key 1 alone is marked; marked tokens are queries like any others. BERT's [CLS] and [SEP] are the case in mind.
    Raises InputError if T < 2. Source: Clark et al. 2019 (arXiv 1906.04341), section 3.2.
    """
    at_least("weights: number of queries T", weights.shape[-2], 2)
    return (weights[:, :, 1:] * keys[:, None, None]).sum(-1).mean(-1)


def alpha_floor(T: int, k: int = 1, null: bool = False) -> float:
    """alpha_k under uniform causal attention over the visible keys, and over one null column more if `null`.

    1/(T-k+1) * sum_{t=k..T} 1/(t + null). For k = 1: T = 32 gives 0.127, 64 gives 0.074, 128 gives 0.042; with a null
    0.059 at T = 64, which is then the floor of alpha_null too. Raises InputError if k is not a position.
    """
    _check_key(k, T)
    return sum(1 / (t + null) for t in range(k, T + 1)) / (T - k + 1)


def alphas(
    weights: Float[Array, "B N T T"], visible: Bool[Array | np.ndarray, "T T"] | None = None
) -> Float[Array, "B N T"]:
    """alpha_k of every key k: the mean of A[t, k] over the queries that see key k. In [0, 1].

    visible: which keys each query sees, causal if not given; then it is `alpha`. Under a window only the queries that
    the window shows key k count, so that a sink is not diluted by those that cannot see it. NaN for a key nobody sees.
    """
    seen = _causal(weights.shape[-1]) if visible is None else jnp.asarray(visible)
    return weights.sum(-2, where=seen) / seen.sum(-2)


def alpha_floors(visible: Bool[Array | np.ndarray, "T T"], null: bool = False) -> Float[Array, " T"]:
    """`alphas` of uniform attention under any mask: what key k gets from a head that attends evenly.

    Mean of 1/(keys seen + null) over the queries that see key k. It falls with k under a causal mask.
    """
    seen = jnp.asarray(visible)
    even = seen / jnp.maximum(seen.sum(-1, keepdims=True) + null, 1)
    return even.sum(-2) / seen.sum(-2)


def sink_positions(
    weights: Float[Array, "B N T T"], visible: Bool[Array | np.ndarray, "T T"] | None = None
) -> tuple[Int[Array, "B N"], Float[Array, "B N"]]:
    """Where the sink sits: argmax_k alpha_k, from 1, and the alpha there; of equal ones the first.

    Only keys that at least half as many queries see as see the most seen key: alpha_T is one query's attention to
    itself, no sink. Even attention has its argmax at key 1 under a causal mask, so a position says something only
    where the alpha is well above `alpha_floors`. Source: the definition of alpha_k, Gu et al. 2024, section 3.2.
    """
    seen = (_causal(weights.shape[-1]) if visible is None else jnp.asarray(visible)).sum(-2)
    alpha = jnp.where(2 * seen >= seen.max(), alphas(weights, visible), -1)
    return alpha.argmax(-1) + 1, alpha.max(-1)


def modal_position(
    positions: Int[Array | np.ndarray, "B ..."],
) -> tuple[Int[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """The most frequent position of each head over windows, and its share of them; of equally frequent the first."""
    modes = mode(np.asarray(positions), axis=0)
    return modes.mode, modes.count / len(positions)


def first_token_as_null(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"]
) -> tuple[Float[Array, "B N T T"], Float[Array, "B N T"]]:
    """Count attention to the first token as null: (weights with key 1 emptied, null_mass + A[., 1]).

    What Vig and Belinkov do to a model without a null (null_mass = 0); every measure that takes the pair then treats
    both kinds of model by the same rule. Key 1 is no outcome any more: pass `visible - 1` where a count is asked for.
    Source: Vig and Belinkov 2019, section 5.2.3.
    """
    return weights.at[..., 0].set(0), null_mass + weights[..., 0]


def conditional_rows(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"]
) -> tuple[Float[Array, "B N T T"], Bool[Array, "B N T"]]:
    """Attention given that it is not null, A / (1 - null_mass), and which rows have enough of it to be kept.

    Rows with 1 - null_mass (or a sum) below 1e-6, so also rows that see no key, come back as zeros and not kept. The
    divisor is the row's own sum: equal to 1 - null_mass, without the digits lost in that difference near null = 1.
    """
    real = weights.sum(-1)
    kept = jnp.minimum(real, 1 - null_mass) >= MIN_REAL_MASS
    rows = weights / jnp.where(kept, real, 1)[..., None]
    return jnp.where(kept[..., None], rows, 0), kept


def _causal(T: int):
    return jnp.tril(jnp.ones((T, T), bool))


def _check_key(k: int, T: int) -> None:
    if not 1 <= k <= T:
        raise InputError(f"k must be a position from 1 to T = {T}, got {k}; positions are counted from 1")
