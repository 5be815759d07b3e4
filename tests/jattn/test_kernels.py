"""One suite for every kernel: values and gradients against attention written out, with cotangents on out and on lse.

A new kernel joins by its row in KERNELS; its flags decide which of the tests below it must pass and which it must refuse.

The written-out form stands in one function, `textbook`: in float64 it is the truth, in low precision the yardstick of
the error budget. It shares no line with the kernels except the masks and scores, which have tests of their own.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jattn import masks, scores
from jattn.attention import attend
from jattn.errors import InputError
from jattn.kernels import dense
from jattn.kernels.select import KERNELS, pick
from jattn.masks import Mask
from jattn.partial import Partial

close = {"rtol": 1e-12, "atol": 1e-12}
SMALL = {"blocks": {"block": 5}}  # options that make a kernel work in many pieces on the small arrays of this file
H = 3


def only(flag, value=True):
    return pytest.mark.parametrize("kernel", [k for k in KERNELS.values() if getattr(k, flag) == value], ids=str_name)


def str_name(kernel):
    return kernel.name


every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=str_name)


def inputs(T, S, N, K, dtype=jnp.float64, B=2):
    """q, k, v and the cotangents of out and lse."""
    rng = np.random.default_rng(0)
    shapes = (B, T, N, H), (B, S, K, H), (B, S, K, H), (B, T, N, H), (B, T, N)
    return [jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes]


def textbook(q, k, v, *, mask, score=None, scale=None):
    """softmax(score(scale q k^T)) v with jax.nn in the dtype of the inputs; rows without keys give (0, -inf)."""
    N, (T, S) = q.shape[2], (q.shape[1], k.shape[1])
    k, v = (jnp.repeat(x, N // k.shape[2], 2) for x in (k, v))
    t, s = jnp.arange(T)[:, None], jnp.arange(S)[None, :]
    x = jnp.einsum("btnh,bsnh->bnts", q, k) * (H**-0.5 if scale is None else scale)
    x = x if score is None else score(x, t, s, jnp.arange(N)[:, None, None])
    seen = mask.dense(t[:, 0], s[0])
    some = seen.any(-1, keepdims=True)
    x = jnp.where(seen | ~some, x, -jnp.inf)
    p = jnp.where(some, jax.nn.softmax(x), 0.0)
    lse = jnp.where(some[..., 0], jax.nn.logsumexp(x, -1), -jnp.inf)
    return Partial(jnp.einsum("bnts,bsnh->btnh", p, v), lse.swapaxes(1, 2))


def outputs_and_gradients(attend, q, k, v, d_out, d_lse, mask, **options):
    """[out, lse, dq, dk, dv]; documents are data, so the mask goes through jit as an argument."""

    def f(mask, *arrays):
        result, pull = jax.vjp(lambda q, k, v: attend(q, k, v, mask=mask, **options), *arrays)
        return [*result, *pull(Partial(d_out.astype(result.out.dtype), d_lse.astype(result.lse.dtype)))]

    return jax.jit(f)(mask, q, k, v)


def check(kernel, arrays, mask, options=None, **score):
    """float64: everything equals the written-out form to 1e-12."""
    options = SMALL.get(kernel.name, {}) if options is None else options
    got = outputs_and_gradients(kernel.attend, *arrays, mask, **score, **options)
    expected = outputs_and_gradients(textbook, *arrays, mask, **score)
    for name, a, b in zip(("out", "lse", "dq", "dk", "dv"), got, expected, strict=True):
        np.testing.assert_allclose(a, b, **close, err_msg=name)


def documents(T, S):
    """Three texts in the first row, two in the second; in both rows some key has no query and some query no key."""
    ids = np.array([[0, 0, 0, 1, 1, 1, 1, 2] * 3, [3] * 11 + [4] * 13])
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
SCORES = {
    "soft_cap": scores.SoftCap(0.7),
    "alibi": scores.Alibi(scores.alibi_slopes(4)),
    "log_sigmoid": scores.LogSigmoid(),
    "chain": scores.chain(scores.SoftCap(0.7), scores.Alibi(scores.alibi_slopes(4))),
}


@every_kernel
@pytest.mark.parametrize(("T", "S"), [(13, 13), (4, 17), (17, 4)])
@pytest.mark.parametrize("mask", MASKS)
def test_every_mask_with_as_many_fewer_and_more_keys_than_queries(mask, T, S, kernel, x64):
    check(kernel, inputs(T, S, 4, 2), MASKS[mask](T, S))


@every_kernel
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("mask", ["bidirectional", "first_window"])
def test_every_score(mask, score, kernel, x64):
    check(kernel, inputs(13, 13, 4, 2), MASKS[mask](13, 13), score=SCORES[score])


@every_kernel
@pytest.mark.parametrize("K", [1, 2, 4])
@pytest.mark.parametrize("scale", [None, 0.25])
def test_heads_share_keys_in_groups(K, scale, kernel, x64):
    check(kernel, inputs(13, 13, 4, K), masks.causal(), score=SCORES["alibi"], scale=scale)


@pytest.mark.parametrize("block", [1, 3, 4, 13, 64])
def test_block_size_changes_nothing(block, x64):
    check(KERNELS["blocks"], inputs(13, 13, 4, 2), MASKS["first_window"](13, 13), {"block": block})


@every_kernel
@pytest.mark.parametrize("mask", [masks.causal(), masks.window(40)])
def test_kernel_at_its_own_block_size(mask, kernel, x64):
    """Longer than any default block, and more rows than one step of the scan takes."""
    check(kernel, inputs(300, 300, 4, 2, B=3), mask, {})


@every_kernel
@pytest.mark.parametrize("size", [1e3, 1e5])
def test_large_scores_stay_finite(size, kernel, x64):
    q, *rest = inputs(13, 13, 4, 2)
    options = {"mask": masks.causal(), **SMALL.get(kernel.name, {})}
    assert all(np.all(np.isfinite(x)) for x in outputs_and_gradients(kernel.attend, size * q, *rest, **options))


def budget(exact, rough, dtype):
    """Twice the error that the written-out form makes in low precision, plus the rounding of the result itself."""
    error = np.abs(np.asarray(rough, np.float64) - exact)
    return 2 * error[np.isfinite(exact)].max() + float(jnp.finfo(dtype).eps) * np.abs(exact[np.isfinite(exact)]).max()


@every_kernel
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(("mask", "score"), [("causal", None), ("window", "soft_cap"), ("documents", "alibi")])
def test_low_precision_stays_within_the_error_budget(mask, score, dtype, kernel, x64):
    arrays = inputs(13, 13, 4, 2, dtype)
    options = {"mask": MASKS[mask](13, 13), "score": SCORES.get(score)}
    exact = outputs_and_gradients(textbook, *(x.astype(jnp.float64) for x in arrays), **options)
    rough = outputs_and_gradients(textbook, *arrays, **options)
    got = outputs_and_gradients(kernel.attend, *arrays, **options, **SMALL.get(kernel.name, {}))
    assert [x.dtype for x in got] == [dtype, jnp.float32, dtype, dtype, dtype]
    for name, a, b, c in zip(("out", "lse", "dq", "dk", "dv"), got, exact, rough, strict=True):
        b = np.asarray(b)
        np.testing.assert_allclose(np.asarray(a, np.float64), b, rtol=0, atol=budget(b, c, dtype), err_msg=name)


@every_kernel
def test_jit_vmap_and_remat_change_nothing(kernel, x64):
    q, k, v, d_out, d_lse = inputs(7, 7, 4, 2, B=3)
    options = {"mask": masks.window(3), "score": SCORES["alibi"], **SMALL.get(kernel.name, {})}
    expected = outputs_and_gradients(kernel.attend, q, k, v, d_out, d_lse, **options)

    def remat(q, k, v, mask, **options):
        return jax.checkpoint(lambda q, k, v: kernel.attend(q, k, v, mask=mask, **options))(q, k, v)

    def mapped(q, k, v, mask, **options):
        """Each batch row by itself."""
        one = lambda q, k, v: kernel.attend(q[None], k[None], v[None], mask=mask, **options)  # noqa: E731
        return jax.tree.map(lambda x: x[:, 0], jax.vmap(one)(q, k, v))

    for form in (remat, mapped):
        got = outputs_and_gradients(form, q, k, v, d_out, d_lse, **options)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, **close)
    with jax.disable_jit(False):
        plain = kernel.attend(q, k, v, **options)
    np.testing.assert_allclose(plain.out, expected[0], **close)


@every_kernel
def test_gradients_of_gradients_in_reverse_mode(kernel, x64):
    """A penalty on the gradient can be trained: d/dq |dq|^2 equals that of the written-out form."""
    q, k, v, d_out, d_lse = inputs(7, 7, 4, 2)

    def penalty(attend, q, **options):
        def loss(q):
            out, lse = attend(q, k, v, mask=masks.causal(), **options)
            return (out * d_out).sum() + (lse * d_lse).sum()

        return (jax.grad(loss)(q) ** 2).sum()

    got = jax.jit(jax.grad(lambda q: penalty(kernel.attend, q, **SMALL.get(kernel.name, {}))))(q)
    np.testing.assert_allclose(got, jax.jit(jax.grad(lambda q: penalty(textbook, q)))(q), **close)


@only("forward_mode")
def test_forward_mode_agrees_with_finite_differences(kernel, x64):
    q, k, v, *_ = inputs(4, 4, 2, 1, B=1)
    f = jax.jit(lambda q, k, v: tuple(kernel.attend(q, k, v, mask=masks.causal(), score=SCORES["soft_cap"])))
    check_grads(f, (q, k, v), order=2, modes=("fwd", "rev"), rtol=1e-6)


@only("forward_mode", False)
def test_kernel_without_forward_mode_refuses_it(kernel, x64):
    q, k, v, *_ = inputs(4, 4, 2, 1)
    with pytest.raises(TypeError, match="jvp"):
        jax.jvp(lambda q: kernel.attend(q, k, v, mask=masks.causal()).out, (q,), (q,))


@only("positions")
def test_queries_and_keys_at_given_positions(kernel, x64):
    """Two queries at 5 and 2 over keys in shuffled order: rows and columns of the whole, with their positions kept."""
    q, k, v, *_ = inputs(8, 8, 4, 2)
    options = {"mask": masks.window(4), "score": SCORES["alibi"]}
    q_pos, k_pos = jnp.array([5, 2]), jnp.array([3, 7, 0, 5, 1, 4, 2, 6])
    got = attend(q[:, q_pos], k[:, k_pos], v[:, k_pos], q_pos=q_pos, k_pos=k_pos, implementation=kernel.name, **options)
    whole = textbook(q, k, v, **options)
    np.testing.assert_allclose(got.out, whole.out[:, q_pos], **close)
    np.testing.assert_allclose(got.lse, whole.lse[:, q_pos], **close)


@only("positions", False)
@pytest.mark.parametrize("name", ["q_pos", "k_pos"])
def test_kernel_without_positions_refuses_them(name, kernel):
    q, k, v, *_ = inputs(4, 4, 2, 1, jnp.float32)
    with pytest.raises(InputError, match=f"implementation: {kernel.name!r} takes no q_pos/k_pos; use 'dense'"):
        attend(q, k, v, implementation=kernel.name, **{name: jnp.arange(4)})


def test_weights_of_the_dense_kernel_make_its_output(x64):
    q, k, v, *_ = inputs(7, 7, 4, 4)
    p, lse = dense.softmax(dense.masked_scores(q, k, mask=masks.causal()))
    out = dense.attend(q, k, v, mask=masks.causal())
    np.testing.assert_allclose(p.sum(-1), 1.0, **close)
    assert np.array_equal(np.broadcast_to(np.tril(np.ones((7, 7))) > 0, p.shape), p > 0)
    np.testing.assert_allclose(np.einsum("bnts,bsnh->btnh", p, v), out.out, **close)
    np.testing.assert_allclose(lse.swapaxes(1, 2), out.lse, **close)


@every_kernel
def test_memory_grows_as_the_flag_says(kernel):
    """Temporary bytes of forward and backward for a window at T = 256, 512, 1024: on a line, or not, as promised."""

    def temporary_bytes(T):
        q, k, v, d_out, d_lse = inputs(T, T, 2, 2, jnp.float32)

        def f(q, k, v):
            _, pull = jax.vjp(lambda q, k, v: kernel.attend(q, k, v, mask=masks.window(32)), q, k, v)
            return pull(Partial(d_out, d_lse))

        return jax.jit(f).lower(q, k, v).compile().memory_analysis().temp_size_in_bytes

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
    with pytest.raises(InputError, match="implementation: unknown value 'block'. Did you mean 'blocks'"):
        pick("block", 64, 64)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 4, 4, 3), (2, 4, 3, 3), (2, 4, 3, 3)), "key/value heads must divide query heads, got 3 and 4"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes, message):
    with pytest.raises(InputError, match=message):
        attend(*(jnp.zeros(shape) for shape in shapes))
