"""How much attention goes to nothing: to the null, or to the first token that stands in for it.

Axes: B windows, N heads, T queries and T keys (self-attention on the same text). `weights[b, n, t, s]` is the attention
of query t on real key s, causal, and each row sums to 1 - null_mass. Positions are counted from 1 in every formula.
Quote T and the floor (`alpha_floor`) with each number: uniform attention alone gives alpha_1 = 0.074 at T = 64.

Sources: Gu et al. 2024, When Attention Sink Emerges (arXiv 2410.10781), section 3; Vig and Belinkov 2019, Analyzing
the Structure of Attention (arXiv 1906.04284), section 5.2.3.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jattn.errors import InputError, at_least

# A row with less real attention than this has no meaningful conditional distribution: dividing would show noise.
MIN_REAL_MASS = 1e-6


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


def sink_rate(alphas: Float[Array, "B N"], eps: float = 0.3) -> Float[Array, " N"]:
    """Sink^eps = share of windows whose alpha is strictly above eps, per head; the mean over heads is Gu's Sink_k.

    In [0, 1] (the paper prints per cent, with eps = 0.3 at T = 64). `alphas` comes from `alpha` or `alpha_null`.
    Source: Gu et al. 2024, section 3.2.
    """
    return (alphas > eps).mean(0, dtype=alphas.dtype)


def alpha_floor(T: int, k: int = 1, null: bool = False) -> float:
    """alpha_k under uniform causal attention over the visible keys, and over one null column more if `null`.

    1/(T-k+1) * sum_{t=k..T} 1/(t + null). For k = 1: T = 32 gives 0.127, 64 gives 0.074, 128 gives 0.042; with a null
    0.059 at T = 64, which is then the floor of alpha_null too. Raises InputError if k is not a position.
    """
    _check_key(k, T)
    return sum(1 / (t + null) for t in range(k, T + 1)) / (T - k + 1)


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


def _check_key(k: int, T: int) -> None:
    if not 1 <= k <= T:
        raise InputError(f"k must be a position from 1 to T = {T}, got {k}; positions are counted from 1")
