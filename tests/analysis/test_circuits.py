"""Circuits from weights alone: planted structure, closed forms, the whole matrices, and TransformerLens."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analysis.capture import circuit_tables
from analysis.measures import circuits
from analysis.measures.bigrams import bigram, correlation
from jattn.errors import InputError
from jattn.interop import transformer_lens as lens
from jattn.interop.fold import fold_norms
from jattn.model import assemble, build, parameters_of
from tests import planted
from tests.configs import changed, model_config
from tests.small import arrays as drawn

SMALL = model_config(vocab_size=15, context=12, layers=3, heads=4, width=16, mlp__activation="none", norm__qk=False)
CASES = {
    "tied": SMALL,
    "untied": changed(SMALL, output__tied=False),
    "shared keys": replace(SMALL, kv_heads=2, head_size=6),
    "qk-norm": changed(SMALL, norm__qk=True),
    "layernorm": changed(SMALL, norm__kind="layernorm", bias__norm=True, positions="learned"),
}


@pytest.fixture(params=CASES)
def model(request):
    config = CASES[request.param]
    return config, drawn(config)


def whole(config, p, layer, head):
    """W_OV, W_QK, the full OV and QK of a head, each as one matrix, from the folded model."""
    q = fold_norms(config, p)[1]
    at, H = f"blocks.{layer}.attention", config.H
    shared = head // (config.heads // config.N_kv)
    cut = lambda name, n: np.asarray(q[f"{at}.{name}.kernel"], float)[:, n * H : (n + 1) * H]
    W_Q, W_K, W_V = cut("q", head), cut("k", shared), cut("v", shared)
    if config.norm.qk:
        W_Q, W_K = W_Q * q[f"{at}.q_norm.scale"], W_K * q[f"{at}.k_norm.scale"]
    OV = W_V @ np.asarray(q[f"{at}.out.kernel"], float)[head * H : (head + 1) * H]
    QK, W_E = W_Q @ W_K.T, np.asarray(p["token_rows"], float)
    return OV, QK, W_E @ OV @ np.asarray(q["head.kernel"], float), W_E @ QK @ W_E.T


def share(matrix):
    eigenvalues = np.linalg.eigvals(matrix)
    return np.real(eigenvalues).sum() / np.abs(eigenvalues).sum()


def test_eigenvalue_scores_are_those_of_the_whole_matrices(model):
    """V x V matrices of rank H, their eigenvalues by the plain way, norms folded by jattn.interop.fold."""
    found = circuits.eigenvalue_scores(*model)
    for layer, head in np.ndindex(3, 4):
        OV, _, full_ov, full_qk = whole(*model, layer=layer, head=head)
        expected = [share(full_ov), share(OV), share(full_qk - full_qk.mean(1, keepdims=True))]
        np.testing.assert_allclose([a[layer, head] for a in found], expected, atol=2e-4)


def test_composition_scores_are_those_of_the_whole_matrices(model):
    found, size = circuits.composition_scores(*model), np.linalg.norm
    for a, i, b, j in np.ndindex(3, 4, 3, 4):
        if a >= b:
            assert all(np.isnan(found[name][a, i, b, j]) for name in "qkv")
            continue
        left = whole(*model, layer=a, head=i)[0]
        OV, QK, _, _ = whole(*model, layer=b, head=j)
        for name, right in (("q", QK), ("k", QK.T), ("v", OV)):
            expected = size(left @ right) / size(left) / size(right)
            assert found[name][a, i, b, j] == pytest.approx(expected, abs=1e-5)


def test_norm_of_a_product_needs_no_product():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(3, 40, 4)), rng.normal(size=(3, 4, 30))
    np.testing.assert_allclose(circuits.norm(left, right), np.linalg.norm(left @ right, axis=(1, 2)))


def test_eigenvalues_of_a_product_of_factors_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(30, 4)), rng.normal(size=(4, 30))
    expected = np.linalg.eigvals(left @ right)
    expected = expected[np.argsort(-np.abs(expected))][:4]
    found = circuits.eigenvalues(left, right)
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(expected), atol=1e-9)


def test_baseline_is_the_root_mean_square_over_random_rotations():
    """||A R B||^2 over random rotations R of 16 dimensions, for two fixed matrices of any kind."""
    from scipy.stats import ortho_group

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 16)) ** 3, rng.normal(size=(16, 2))
    turned = ortho_group.rvs(16, size=4000, random_state=0)
    scores = np.linalg.norm(a @ turned @ b, axis=(1, 2)) / np.linalg.norm(a) / np.linalg.norm(b)
    assert np.sqrt((scores**2).mean()) == pytest.approx(
        circuits.composition_baseline(replace(SMALL, width=16)), rel=0.03
    )


def test_random_weights_score_the_baseline_and_copy_nothing():
    config = changed(SMALL, width=64, heads=16, layers=2, init__zero_outputs=False, output__tied=False)
    p = parameters_of(build(config))
    found = circuits.composition_scores(config, p)
    assert np.nanmean(found["k"]) == pytest.approx(circuits.composition_baseline(config), rel=0.05)
    assert abs(np.nanmean(circuits.eigenvalue_scores(config, p).copying)) < 0.15


def test_best_of_many_random_heads_lies_above_the_baseline_but_not_far():
    """The baseline is a root mean square: what the caption says of a best above 0."""
    config = changed(SMALL, width=64, heads=4, layers=4, init__zero_outputs=False, output__tied=False)
    best = np.nanmax(circuits.composition_scores(config, parameters_of(build(config)))["k"][:, :, 1:], (0, 1))
    excess = best - circuits.composition_baseline(config)
    assert excess.mean() > 0 and excess.max() < 0.03


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_copying_score_of_a_planted_copy_is_its_sign(sign):
    found = circuits.eigenvalue_scores(*planted.copying_model(sign=sign))
    assert found.copying[0, 0] == pytest.approx(sign, abs=1e-6)
    assert np.isnan(found.copying[0, 1])  # the idle head writes nothing: no eigenvalue to share


def test_planted_induction_head_copies_and_reads_what_the_previous_token_head_writes():
    """The key side of 1.0 reads "previous" with weight 1, the token with -1, position 1 with 1/2."""
    V = 20
    config, p = planted.induction_circuit(V)
    assert circuits.eigenvalue_scores(config, p).copying[1, 0] == pytest.approx(1, abs=1e-6)
    found = circuits.composition_scores(config, p)
    assert found["k"][0, 0, 1, 0] == pytest.approx(1 / (1.5 * V**0.5), rel=1e-5)
    assert found["k"][0, 0, 1, 0] > circuits.composition_baseline(config)
    assert found["q"][0, 0, 1, 0] == pytest.approx(0, abs=1e-5) == found["v"][0, 0, 1, 0]


def test_rotation_by_a_distance_is_that_of_the_model():
    """q . k of a token and one three places before it, from the turned projections and from the model itself."""
    config = replace(SMALL, layers=1)
    p = jax.tree.map(jnp.asarray, drawn(config))
    w = circuits.head_weights(config, p, 0, distance=3)
    seen = assemble(config, p)(np.array([[5, 1, 2, 7]]), observe=lambda s: s.weights())[1][0, 0, :, 3]
    E = np.asarray(p["token_rows"], float)[[5, 1, 2, 7]]
    x = E / np.sqrt((E**2).mean(-1, keepdims=True) + config.norm.eps)
    scores = np.stack(
        [np.einsum("d,ndh,neh,e->n", x[3], *circuits.head_weights(config, p, 0, 3 - s)[:2], x[s]) for s in range(4)]
    )
    weights = np.exp(scores / config.H**0.5)
    np.testing.assert_allclose((weights / weights.sum(0)).T, seen, atol=1e-5)
    assert not np.allclose(w.W_Q, circuits.head_weights(config, p, 0).W_Q)


def test_strongest_pairs_are_the_largest_entries_in_order():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(23, 4)), rng.normal(size=(4, 9))
    table = left @ right
    found = circuits.top_pairs(left, right, 30, block=5)
    np.testing.assert_allclose([p.value for p in found], np.sort(table.ravel())[::-1][:30])
    np.testing.assert_allclose([table[p.source, p.target] for p in found], [p.value for p in found])
    assert len(circuits.top_pairs(left, right, 1000)) == table.size


def test_tables_name_each_token_as_its_own_best_source_in_a_planted_copy():
    config, p = planted.copying_model(vocab=8)
    pairs = circuit_tables.strongest_pairs(config, p, np.array([1, 4, 6]), count=3)
    assert {(a.source, a.target) for a in pairs[0].ov} == {(1, 1), (4, 4), (6, 6)}


def test_tables_take_the_most_frequent_ids_of_those_that_occur():
    text = np.array([7, 7, 7, 3, 3, 9])
    np.testing.assert_array_equal(circuit_tables.frequent_ids(text, 50, 2), [3, 7])
    np.testing.assert_array_equal(circuit_tables.frequent_ids(text, 50), [3, 7, 9])


NULLS = ["standard", "zero", "logit", "key", "key_value", "fixed_value:2", "token"]


@pytest.mark.parametrize("attention", NULLS)
def test_null_as_a_source_and_as_a_key_is_that_of_the_forward_pass(attention):
    """The score that the first token of a text gives the null in layer 0, and what a head full of null would write."""
    config = replace(SMALL, attention=attention, layers=2, positions="none")
    p = jax.tree.map(jnp.asarray, drawn(config))
    ids = np.arange(config.vocab_size)
    found = circuit_tables.null_circuit(config, p, ids)
    seen = assemble(config, p)(ids[:, None], observe=lambda s: (s["s_null"], s["lse"], s["z"], s["v"]))[1]
    s_null, lse, z, v = (np.asarray(a)[0, :, 0] for a in seen)  # layer 0, one token alone in its text
    if attention == "standard":
        assert np.isnan(found.scores).all() and not found.value.any() and not found.writes.any()
        return
    np.testing.assert_allclose(found.scores[0].T, s_null, atol=1e-5)
    mass = 1 / (1 + np.exp(lse - s_null))[..., None]
    np.testing.assert_allclose(z, (1 - mass) * v + mass * found.value[0], atol=1e-5)
    assert found.value.any() == (attention in ("key_value", "fixed_value:2", "token"))
    assert found.writes.any() == found.value.any()
    np.testing.assert_allclose(found.writes.mean(-1), 0, atol=1e-5)


REFUSED = {
    "norms after each part": ({"norm__position": "post"}, "its norms stand after each part"),
    "no output layer": ({"output__kind": "none"}, "its output layer is 'none'"),
    "a gate per dimension": ({"attention": "gate"}, "attention 'gate' scales each dimension"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_model_without_such_circuits_is_refused_in_one_line(name):
    changes, message = REFUSED[name]
    config = changed(SMALL, **changes)
    for measure in (circuits.eigenvalue_scores, circuits.composition_scores):
        with pytest.raises(InputError, match=f"^circuits: {message}") as error:
            measure(config, drawn(config))
        assert "\n" not in str(error.value)


def test_weights_that_are_not_finite_are_named():
    p = drawn(SMALL)
    p["blocks.1.attention.v.kernel"][0, 0] = np.nan
    with pytest.raises(InputError, match=r"^circuits: parameter blocks\.1\.attention\.v\.kernel has numbers"):
        circuits.eigenvalue_scores(SMALL, p)


def test_a_gate_per_head_is_taken_as_open():
    config = replace(SMALL, attention="gate:headwise")
    p = drawn(config)
    plain = {n: a for n, a in p.items() if "gate" not in n}
    for ours, expected in zip(
        circuits.eigenvalue_scores(config, p), circuits.eigenvalue_scores(SMALL, plain), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


def test_bigram_model_recovers_the_table_of_a_chain():
    from train.corpora import bigram as language

    rows = language.sample(20_000, 33, np.random.default_rng(0))
    model, ids = bigram(rows, language.SYMBOLS), np.arange(language.SYMBOLS)
    found, truth = model.log_probs(ids, ids), np.log(language.transition())
    np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-12)
    assert correlation(found.ravel(), truth.ravel()) > 0.99
    assert model.losses(rows[:500]).mean() == pytest.approx(language.entropy_nats(), abs=0.02)


def test_bigram_smoothing_has_its_closed_form():
    """Tokens 0 1 0 2: after 0 come 1 and 2 once each, two kinds; after 2 comes nothing, so P(b) alone."""
    found = bigram(np.array([0, 1, 0, 2]), 4)
    single = np.array([3, 2, 2, 1]) / 8
    np.testing.assert_allclose(found.unigram, single)
    np.testing.assert_allclose(np.exp(found.log_probs(np.array([0]), np.arange(4)))[0], ([0, 1, 1, 0] + 2 * single) / 4)
    np.testing.assert_allclose(np.exp(found.log_probs(np.array([2]), np.arange(4)))[0], single)
    np.testing.assert_allclose(
        found.losses(np.array([[0, 1, 0]])), -found.log_probs(np.array([0, 1]), np.array([1, 0])).diagonal()[None]
    )


def test_bigram_refuses_a_text_without_a_pair_and_ids_beyond_the_vocabulary():
    with pytest.raises(InputError, match="a text of 1 tokens has no pair"):
        bigram(np.array([1]), 4)
    with pytest.raises(InputError, match="token id 9 is not below vocab_size = 4"):
        bigram(np.array([1, 9]), 4)


def test_correlation_is_pearsons_and_undefined_for_a_constant():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 9)), rng.normal(size=(2, 9))
    np.testing.assert_allclose(correlation(a, b), [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)])
    assert np.isnan(correlation(np.ones((1, 4)), np.arange(4.0)[None])).all()


@pytest.mark.peers
@pytest.mark.parametrize("name", ["untied", "shared keys"])
def test_composition_scores_are_those_of_transformer_lens(name):
    """Our folded weights, loaded by name into its own model, its own scores."""
    torch = pytest.importorskip("torch")
    bridge = pytest.importorskip("transformer_lens.model_bridge")
    config = CASES[name]
    p = drawn(config)
    theirs = boot(bridge, torch, *fold_norms(config, p))
    ours = circuits.composition_scores(config, p)
    for mode in "QKV":
        expected = theirs.all_composition_scores(mode).scores.detach().numpy()
        np.testing.assert_allclose(np.nan_to_num(ours[mode.lower()]), expected, atol=1e-5)


def boot(bridge, torch, config, p):
    """Its native model with the attention weights of ours, by the names of HookedTransformer that `lens` writes."""
    import warnings

    from transformer_lens.config import TransformerBridgeConfig

    N, H, D = config.heads, config.H, config.width
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = TransformerBridgeConfig(
            d_model=D,
            d_head=H,
            n_layers=config.layers,
            n_ctx=config.context,
            n_heads=N,
            d_vocab=config.vocab_size,
            act_fn="gelu",
            d_mlp=8,
            architecture="TransformerLensNative",
        )
        theirs = bridge.TransformerBridge.boot_native(told).eval()
    weights, state = lens.state_dict(config, p), theirs.state_dict()
    for layer in range(config.layers):
        for letter in "QKV":
            own = weights.get(f"blocks.{layer}.attn.W_{letter}")
            if own is None:  # grouped: its native model has a key and value per query head
                own = np.repeat(weights[f"blocks.{layer}.attn._W_{letter}"], N // config.N_kv, axis=0)
            flat = own.transpose(0, 2, 1).reshape(N * H, D)
            state[f"blocks.{layer}.attn.{letter.lower()}.weight"] = torch.tensor(flat)
        out = weights[f"blocks.{layer}.attn.W_O"].reshape(N * H, D).T
        state[f"blocks.{layer}.attn.o.weight"] = torch.tensor(out.copy())
    theirs.load_state_dict(state)
    return theirs
