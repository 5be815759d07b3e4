"""One suite for every kernel: values and gradients against attention written out, with cotangents on out and on lse.

A new kernel joins by its row in KERNELS; its flags decide which tests it must pass and what it must refuse.

The written-out form is one function in numpy, `textbook`, gradients by hand: in float64 it is the truth, in low
precision the yardstick of the error budget. It shares no line with the kernels except masks and scores, which have
tests of their own. Where many cases share a shape kernels run outside jit, which compiles each operation only once.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn import masks, nulls, scores
from jattn.errors import InputError
from jattn.functional import attend, attention, attention_weights
from jattn.kernels import dense
from jattn.kernels.select import KERNELS, pick
from jattn.masks import Mask
from jattn.partial import Partial

close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
SMALL = {"blocks": {"block": 5}}  # options that make a kernel work in many pieces on the small arrays of this file
T, S, N, K, H = 9, 14, 4, 2, 3


def kernels(**flags):
    chosen = [k for k in KERNELS.values() if all(getattr(k, flag) == value for flag, value in flags.items())]
    return pytest.mark.parametrize("kernel", chosen, ids=lambda kernel: kernel.name)


def inputs(T=T, S=S, K=K, B=2, dtype=jnp.float64):
    """q, k, v and the cotangents of out and lse."""
    rng = np.random.default_rng(0)
    shapes = (B, T, N, H), (B, S, K, H), (B, S, K, H), (B, T, N, H), (B, T, N)
    return [jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes]


def textbook(q, k, v, d_out, d_lse, *, mask, score=None, scale=H**-0.5, wide=np.float64, narrow=np.float64):
    """[out, lse, dq, dk, dv] of softmax(score(scale q k^T)) v; rows without keys give (0, -inf) and no gradient.

    Computed in `wide`; the weights and what multiplies q, k and v in the results are rounded to `narrow`.
    """

    def rounded(x):
        return np.asarray(x).astype(narrow).astype(wide)

    q, k, v, d_out, d_lse = (np.asarray(x).astype(wide) for x in (q, k, v, d_out, d_lse))
    (B, T, N, H), (S, K) = q.shape, k.shape[1:3]
    t, s, head = jnp.arange(T)[:, None], jnp.arange(S)[None], jnp.arange(N)[:, None, None]
    k, v = (np.repeat(x, N // K, 2) for x in (k, v))
    d_lse = d_lse.swapaxes(1, 2)[..., None]

    x = np.einsum("btnh,bsnh->bnts", q, k) * wide(scale)
    x, pull = (x, np.asarray) if score is None else jax.vjp(lambda x: score(x, t, s, head), jnp.asarray(x))
    x = np.where(mask.dense(np.arange(T), np.arange(S)), x, -np.inf)
    some = np.isfinite(x).any(-1, keepdims=True)
    high = np.where(some, x.max(-1, keepdims=True), 0)
    e = np.exp(x - high)
    total = np.where(some, e.sum(-1, keepdims=True), 1)
    lse = np.where(some, np.log(total) + high, -np.inf)
    p = rounded(e / total)
    out = rounded(np.einsum("bnts,bsnh->btnh", p, v))

    dp = np.einsum("btnh,bsnh->bnts", d_out, v)
    dx = p * (dp - np.einsum("btnh,btnh->bnt", d_out, out)[..., None] + d_lse)
    dx = rounded(np.reshape(pull(jnp.asarray(dx)), dx.shape) * wide(scale))
    dq = np.einsum("bnts,bsnh->btnh", dx, k)
    dk, dv = np.einsum("bnts,btnh->bsnh", dx, q), np.einsum("bnts,btnh->bsnh", p, d_out)
    dk, dv = (x.reshape(B, S, K, N // K, H).sum(3) for x in (dk, dv))
    return [out, lse[..., 0].swapaxes(1, 2), *(rounded(x) for x in (dq, dk, dv))]


def run(attend, q, k, v, d_out, d_lse, **options):
    """The same five arrays by a kernel and by JAX's derivatives."""
    result, pull = jax.vjp(lambda q, k, v: attend(q, k, v, **options), q, k, v)
    return [*result, *pull(Partial(d_out.astype(result.out.dtype), d_lse.astype(result.lse.dtype)))]


compiled_run = jax.jit(run, static_argnums=0, static_argnames=("score", "scale", "block"))


def assert_same(got, expected, **tolerances):
    for name, a, b in zip(("out", "lse", "dq", "dk", "dv"), got, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), b, **(tolerances.get(name) or close), err_msg=name)


def check(kernel, arrays, run=run, own=None, **options):
    """float64: everything equals the written-out form to 1e-12. `own` are options that only this kernel takes."""
    own = SMALL.get(kernel.name, {}) if own is None else own
    assert_same(run(kernel.attend, *arrays, **options, **own), textbook(*arrays, **options))


def documents(T=T, S=S):
    """Three texts in the first row, two in the second; where T > S some queries see no key."""
    ids = np.array([[0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 5, 5, 5], [3] * 6 + [4] * 8])
    return masks.documents(ids[:, :T], np.roll(ids, 2, 1)[:, :S])


MASKS = {
    "bidirectional": lambda T, S: masks.bidirectional(),
    "causal": lambda T, S: masks.causal(),
    "window": lambda T, S: masks.window(4),
    "window on both sides": lambda T, S: Mask(window=4),
    "first_window": lambda T, S: masks.first_window(2, 3),
    "documents": documents,
    "causal & window & documents": lambda T, S: masks.window(6) & documents(T, S),
}
ALIBI, CAP = scores.Alibi(scores.alibi_slopes(N)), scores.SoftCap(0.7)
SCORES = {"soft_cap": CAP, "alibi": ALIBI, "log_sigmoid": scores.LogSigmoid()}


@kernels()
@pytest.mark.parametrize("mask", MASKS)
def test_every_mask(mask, kernel, x64):
    """With more keys than queries, and blocks of 5 that divide neither."""
    check(kernel, inputs(), mask=MASKS[mask](T, S))


@kernels()
@pytest.mark.parametrize("mask", ["causal", "documents"])
def test_fewer_keys_than_queries(mask, kernel, x64):
    check(kernel, inputs(14, 9), mask=MASKS[mask](14, 9))


@kernels()
@pytest.mark.parametrize("score", SCORES)
def test_every_score(score, kernel, x64):
    check(kernel, inputs(), mask=masks.causal(), score=SCORES[score])


@kernels()
@pytest.mark.parametrize("K", [1, 4])
def test_one_key_head_for_all_and_one_for_each_at_a_given_scale(K, kernel, x64):
    check(kernel, inputs(K=K), compiled_run, mask=masks.causal(), score=ALIBI, scale=0.25)


@pytest.mark.parametrize("block", [1, 4, 64])
def test_block_size_changes_nothing(block, x64):
    check(KERNELS["blocks"], inputs(), compiled_run, {"block": block}, mask=masks.first_window(2, 3))


@kernels()
@pytest.mark.parametrize("mask", [masks.causal(), masks.window(40)], ids=["causal", "window"])
def test_kernel_at_its_own_block_size(mask, kernel, x64):
    """Longer than any default block, and more rows than one step of the scan takes."""
    check(kernel, inputs(300, 300, B=3), compiled_run, {}, mask=mask)


@kernels()
def test_large_scores_stay_finite(kernel, x64):
    q, *rest = inputs()
    got = run(kernel.attend, 1e5 * q, *rest, mask=masks.causal(), **SMALL.get(kernel.name, {}))
    assert all(np.all(np.isfinite(x)) for x in got)


def budget(exact, rough, dtype):
    """Twice the error of the written-out form in low precision, plus the rounding of the result itself."""
    finite = np.isfinite(exact)
    error = np.abs(rough[finite] - exact[finite]).max()
    return {"rtol": 0.0, "atol": 2 * error + float(jnp.finfo(dtype).eps) * np.abs(exact[finite]).max()}


@kernels()
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_low_precision_stays_within_the_error_budget(dtype, kernel, x64):
    arrays, options = inputs(dtype=dtype), {"mask": masks.causal(), "score": CAP}
    exact = textbook(*arrays, **options)
    rough = textbook(*arrays, **options, narrow=dtype, wide=np.float32)
    got = compiled_run(kernel.attend, *arrays, **options, **SMALL.get(kernel.name, {}))
    types = [dtype, jnp.float32, dtype, dtype, dtype]
    assert [x.dtype for x in got] == types
    names = ("out", "lse", "dq", "dk", "dv")
    assert_same(got, exact, **{n: budget(*x) for n, *x in zip(names, exact, rough, types, strict=True)})


@kernels()
def test_jit_vmap_and_remat_change_nothing(kernel, x64):
    """Every batch row by itself under vmap, forgotten and recomputed; the mask's documents are data under jit."""
    arrays, mask = inputs(), documents()

    def row(*arrays):
        q, k, v, mask = jax.tree.map(lambda x: x[None], arrays)
        result = kernel.attend(q, k, v, mask=mask, score=ALIBI, **SMALL.get(kernel.name, {}))
        return jax.tree.map(lambda x: x[0], result)

    rows = jax.vmap(jax.checkpoint(row))
    got = jax.jit(lambda mask: run(lambda q, k, v: rows(q, k, v, mask), *arrays))(mask)
    assert_same(got, textbook(*arrays, mask=mask, score=ALIBI))


def gradient_of(kernel, k, v, d_out, d_lse):
    def loss(q):
        out, lse = kernel.attend(q, k, v, mask=masks.causal(), score=CAP, **SMALL.get(kernel.name, {}))
        return (out * d_out).sum() + (lse * d_lse).sum()

    return jax.grad(loss)


def finite_difference(f, q, direction, step=1e-5):
    return (f(q + step * direction) - f(q - step * direction)) / (2 * step)


@kernels()
def test_second_derivatives_in_reverse_mode(kernel, x64):
    """A penalty on the gradient can be trained: the Hessian times u is the slope of the gradient along u."""
    q, *rest = inputs()
    u, gradient = jnp.cos(q), gradient_of(kernel, *rest)
    got = jax.jit(jax.grad(lambda q: (gradient(q) * u).sum()))(q)
    expected = finite_difference(lambda q: textbook(q, *rest, mask=masks.causal(), score=CAP)[2], q, u)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)


@kernels(forward_mode=True)
def test_forward_mode_gives_slopes_of_values_and_gradients(kernel, x64):
    q, *rest = inputs()
    u, options = jnp.cos(q), {"mask": masks.causal(), "score": CAP}

    def out_lse_dq(q):
        return *kernel.attend(q, *rest[:2], **options), gradient_of(kernel, *rest)(q)

    for i, slope in enumerate(jax.jit(lambda q, u: jax.jvp(out_lse_dq, (q,), (u,))[1])(q, u)):
        expected = finite_difference(lambda q, i=i: textbook(q, *rest, **options)[i], q, u)
        np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-8)


@kernels(forward_mode=False)
def test_kernel_without_forward_mode_refuses_it(kernel, x64):
    q, k, v, *_ = inputs()
    with pytest.raises(TypeError, match="jvp"):
        jax.jvp(lambda q: kernel.attend(q, k, v, mask=masks.causal()).out, (q,), (q,))


@kernels(positions=True)
def test_queries_and_keys_at_given_positions(kernel, x64):
    """Two queries at 5 and 2 over keys in shuffled order: rows and columns of the whole, with their positions kept."""
    q, k, v, *cotangents = inputs()
    options = {"mask": masks.window(4), "score": ALIBI}
    q_pos, k_pos = jnp.array([5, 2]), jnp.asarray(np.random.default_rng(1).permutation(S))
    placed = {"q_pos": q_pos, "k_pos": k_pos, "implementation": kernel.name}
    out, lse = attend(q[:, q_pos], k[:, k_pos], v[:, k_pos], **options, **placed)
    whole = textbook(q, k, v, *cotangents, **options)
    np.testing.assert_allclose(out, whole[0][:, q_pos], **close)
    np.testing.assert_allclose(lse, whole[1][:, q_pos], **close)


@kernels(positions=False)
@pytest.mark.parametrize("name", ["q_pos", "k_pos"])
def test_kernel_without_positions_refuses_them(name, kernel):
    q, k, v, *_ = inputs(dtype=jnp.float32)
    with pytest.raises(InputError, match=f"implementation: {kernel.name!r} takes no q_pos/k_pos; use 'dense'"):
        attend(q, k, v, implementation=kernel.name, **{name: jnp.arange(T if name == "q_pos" else S)})


def test_weights_of_the_dense_kernel_make_its_output(x64):
    q, k, v, *_ = inputs(K=N)
    p, lse = dense.softmax(dense.masked_scores(q, k, mask=masks.causal()))
    out = dense.attend(q, k, v, mask=masks.causal())
    np.testing.assert_allclose(np.sum(p, -1), 1.0, **close)
    assert np.array_equal(np.broadcast_to(np.arange(S) <= np.arange(T)[:, None], p.shape), np.asarray(p) > 0)
    np.testing.assert_allclose(np.einsum("bnts,bsnh->btnh", p, v), out.out, **close)
    np.testing.assert_allclose(np.swapaxes(lse, 1, 2), out.lse, **close)


@kernels()
def test_memory_grows_as_the_flag_says(kernel):
    """Temporary bytes of forward and backward for a window at T = 256, 512, 1024: on a line, or not, as promised."""

    def temporary_bytes(T):
        shapes = *[(1, T, 2, 16)] * 4, (1, T, 2)
        arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
        lowered = compiled_run.lower(kernel.attend, *arrays, mask=masks.window(32))
        return lowered.compile().memory_analysis().temp_size_in_bytes

    a, b, c = (temporary_bytes(T) for T in (256, 512, 1024))
    on_a_line = abs((c - b) - 2 * (b - a)) <= 0.1 * (c - b)
    assert on_a_line == kernel.linear_memory, (a, b, c)


def test_pick_takes_blocks_on_the_cpu_and_dense_for_short_rows_elsewhere():
    assert pick(None, 64, 64, backend="cpu").name == pick(None, 4096, 4096, backend="cpu").name == "blocks"
    for backend in ("gpu", "tpu"):
        assert pick(None, 2048, 2048, backend=backend).name == "dense"
        assert pick(None, 2049, 1, backend=backend).name == pick(None, 1, 2049, backend=backend).name == "blocks"


def test_pick_takes_a_kernel_with_positions_where_they_are_given():
    assert pick(None, 4096, 4096, positions=True, backend="cpu").positions


def test_pick_keeps_to_the_kernel_that_is_named():
    for name in KERNELS:
        for backend in ("cpu", "gpu"):
            assert pick(name, 64, 64, backend=backend) is KERNELS[name]
    with pytest.raises(InputError, match=r"unknown value 'block'. Did you mean 'blocks'"):
        pick("block", 64, 64)


def test_weights_on_request_give_the_output_and_share_one_with_the_null():
    q, k, v = (
        jax.random.normal(key, (2, 9, n, 4))
        for key, n in zip(jax.random.split(jax.random.key(0), 3), (4, 2, 2), strict=True)
    )
    null = nulls.zero(q)
    weights, mass = attention_weights(q, k, mask=masks.window(3), null=null)
    np.testing.assert_allclose(weights.sum(-1) + mass, 1, rtol=1e-6)
    out = jnp.einsum("bnts,bsnh->btnh", weights, jnp.repeat(v, 2, axis=2))
    np.testing.assert_allclose(out, attention(q, k, v, mask=masks.window(3), null=null), atol=1e-6)
