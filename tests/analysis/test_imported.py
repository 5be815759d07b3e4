"""Models of other libraries, small and random: told, compared and shown like runs, each measure where it is defined."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import analysis
import train
from analysis.capture.capture import batch_size, capture
from analysis.capture.uniform import uniform_values
from analysis.chapter_type import Measurements
from analysis.chapters import layer_figures
from analysis.record import Sums
from analysis.report import findings
from analysis.report.tables import layers_table, to_json
from jattn import ModelConfig, interop
from jattn.errors import InputError
from jattn.model import build, parameters_of
from tests.command import jattn
from tests.configs import model_config
from train.tokenizers import Tokenizer

SIZES = {"layers": 3, "heads": 2, "width": 16, "norm__qk": False, "init__zero_outputs": False, "bias__norm": True}
BIASES = {"bias__qkv": True, "bias__out": True, "bias__mlp": True, "norm__kind": "layernorm", "positions": "learned"}
T = 12


def words_tokenizer():
    """A wordpiece of single letters with [CLS] before and [SEP] after every text."""
    from tokenizers import BertWordPieceTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    return BertWordPieceTokenizer({p: i for i, p in enumerate(pieces)}).to_str(), len(pieces)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    config = model_config(vocab_size=256, context=24, mlp__activation="gelu_tanh", **SIZES, **BIASES)
    tokenizer = Tokenizer.train("byte", []).to_json()
    return interop.write(config, parameters_of(build(config)), tokenizer, tmp_path_factory.mktemp("hf") / "g", "gpt2")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    tokenizer, size = words_tokenizer()
    of_bert = {
        "norm__position": "post",
        "causal": False,
        "token_types": 2,
        "output__kind": "none",
        "mlp__activation": "gelu",
    }
    config = model_config(vocab_size=size, context=24, **of_bert, **SIZES, **BIASES)
    return interop.write(config, parameters_of(build(config)), tokenizer, tmp_path_factory.mktemp("hf") / "b", "bert")


@pytest.fixture(scope="module")
def of_gpt2(gpt2):
    return analysis.compare(gpt2=str(gpt2), windows=8, tokens=T, only=[])


@pytest.fixture(scope="module")
def of_bert(bert):
    return analysis.compare(bert=str(bert), windows=8, tokens=T, only=[])


# Told ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_info_tells_the_source_and_no_loss(kind, request):
    folder = request.getfixturevalue(kind)
    code, out, err = jattn("info", folder)
    sha256 = train.load(folder).meta["imported"]["sha256"]
    shown = " ".join(out.split())
    assert code == 0 and err == ""
    assert f"imported {kind}, from {folder} sha256 {sha256}" in shown and "not trained here" in shown
    assert "loss" not in shown and "seed" not in shown and "None" not in shown
    assert ("sees both sides" in shown) == (kind == "bert")


def test_info_of_an_import_that_was_kept_is_the_same(gpt2, tmp_path):
    assert jattn("import", gpt2, "--out", tmp_path / "run")[0] == 0
    code, out, err = jattn("info", tmp_path / "run")
    assert code == 0 and err == "" and f"imported    gpt2, from {gpt2}" in out
    told = [json.loads(jattn("info", path, "--json")[1]) for path in (gpt2, tmp_path / "run")]
    assert told[0]["imported"] == told[1]["imported"] and told[0]["corpus"]["sha256"] is None
    assert [t["checkpoints"] for t in told] == [[], [0]] and all("valid_loss" not in t for t in told)


# Compared ------------------------------------------------------------------------------------------------------------


def test_imported_models_read_pydoc_and_any_other_text(gpt2, of_gpt2, corpus):
    assert of_gpt2.corpus == "pydoc"
    other = analysis.compare(gpt2=str(gpt2), windows=8, tokens=T, corpus=str(corpus), only=[])
    assert other.records["gpt2"][0].tokens.shape == (8, T + 1)
    text = train.load(gpt2).tokenizer.decode(other.records["gpt2"][0].tokens[0])
    assert text in corpus.read_text()


def test_loss_on_the_windows_stands_beside_a_validation_loss_that_only_trained_runs_have(of_gpt2, text):
    row = of_gpt2.estimate("window_loss", "gpt2")
    assert row.value.mean == pytest.approx(of_gpt2.records["gpt2"][0].loss_nats.mean)
    assert not of_gpt2.has("valid_loss")
    trained = analysis.compare(standard=[text["standard", 0]], windows=8, only=[])
    assert trained.has("valid_loss") and trained.has("window_loss")


def test_both_sides_have_their_frame_in_every_window(of_bert, bert):
    frame = train.load(bert).tokenizer.frame
    tokens = of_bert.records["bert"][0].tokens
    assert tokens.shape == (8, T) and (tokens[:, 0] == frame[0][0]).all() and (tokens[:, -1] == frame[1][0]).all()
    assert not np.isin(tokens[:, 1:-1], [*frame[0], *frame[1]]).any()


def test_both_sides_have_no_next_token_and_no_earlier_copy(of_bert):
    absent = {"window_loss", "valid_loss", "induction", "induction_score", "duplicate_score", "previous_score"}
    assert not {row.measure for row in of_bert.estimates} & absent
    assert of_bert.records["bert"][0].loss_nats is None


def test_frame_shares_are_those_of_the_maps(of_bert, of_gpt2):
    record = of_bert.records["bert"][0]
    heads, real = record.per_head(), record.mean_map[..., 1:]
    np.testing.assert_allclose(heads["cls_share"], real[:, :, 1:, 0].mean(-1), atol=1e-5)
    np.testing.assert_allclose(heads["sep_share"], real[:, :, 1:, -1].mean(-1), atol=1e-5)
    np.testing.assert_allclose(heads["cls_share"], heads["first_token_share"], atol=1e-6)
    assert not of_gpt2.has("cls_share")


def test_uniform_attention_to_both_sides_gives_the_frame_one_key_each(bert):
    config = train.load(bert).config.model
    floor = uniform_values(config, T, ((2,), (3,)))
    assert floor["cls_share"] == floor["sep_share"] == pytest.approx(1 / T)
    assert "cls_share" not in uniform_values(ModelConfig(layers=1), T)


def test_random_tokens_are_ordinary_ones(bos_run):
    """The text's windows start with the fixed first token; the repeated ones never hold it."""
    seen = []
    from analysis.capture import capture as module

    step, bos = module._repeat_step, bos_run.tokenizer.bos
    module._repeat_step = lambda config, parameters, tokens: (
        seen.append(np.asarray(tokens)) or step(config, parameters, tokens)
    )
    try:
        capture(bos_run, np.full((4, 17), bos, np.int32))
    finally:
        module._repeat_step = step
    assert seen and not any((tokens == bos).any() for tokens in seen)


def test_causal_and_two_sided_models_are_not_compared(bert, tmp_path):
    tokenizer, size = words_tokenizer()
    config = model_config(vocab_size=size, context=24, mlp__activation="gelu_tanh", **SIZES, **BIASES)
    causal = interop.write(config, parameters_of(build(config)), tokenizer, tmp_path / "g", "gpt2")
    with pytest.raises(InputError, match=r"sees both sides.*compare them apart"):
        analysis.compare(a=str(causal), b=str(bert), tokens=T, windows=8, only=[])


def test_windows_too_short_for_the_frame_are_refused(bert):
    with pytest.raises(InputError, match=r"tokens \(the 2 around the text included\) must be >= 4, got 3"):
        analysis.compare(bert=str(bert), tokens=3, windows=8, only=[])


# Measures ---------------------------------------------------------------------------------------------------------


def test_layers_equal_plain_loops_over_the_residual_stream(gpt2, of_gpt2):
    run, record = train.load(gpt2), of_gpt2.records["gpt2"][0]
    sites = ("resid_post", "v", "k")
    _, seen = run.model(record.tokens[:, :-1], observe=lambda seen: {s: seen[s] for s in sites})
    x, v, k = (np.asarray(seen[site], np.float64) for site in sites)  # [L, W, T, D], [L, W, T, K, H]
    norms = np.linalg.norm(x, axis=-1)
    np.testing.assert_allclose(
        record.layers["residual_norm_ratio"].blocks.T, norms[..., 0] / norms[..., 1:].mean(-1), rtol=1e-4
    )
    expected = np.abs(x).max((-1, -2)) / np.median(np.abs(x).reshape(*x.shape[:2], -1), -1)
    np.testing.assert_allclose(record.layers["residual_max_over_median"].blocks.T, expected, rtol=1e-4)
    for name, a in (("value", v), ("key", k)):
        norms = np.linalg.norm(a, axis=-1)
        expected = (norms[:, :, 0] / norms[:, :, 1:].mean(2)).swapaxes(0, 1)
        np.testing.assert_allclose(record.heads[f"{name}_norm_ratio"].blocks, expected, rtol=1e-4)


def test_a_batch_shrinks_as_vocabulary_and_maps_grow():
    small, wide = ModelConfig(vocab_size=64), ModelConfig(vocab_size=500_000)
    assert batch_size(small, 64, 256) == 32
    assert 1 <= batch_size(wide, 128, 256) < 8
    assert batch_size(ModelConfig(vocab_size=64, heads=64, width=512), 1024, 256) == 1
    assert batch_size(small, 64, 33) == 17  # two batches of about one size


# Shown ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_command_writes_the_report_of_one_imported_model(kind, request, tmp_path):
    folder = request.getfixturevalue(kind)
    words = ["compare", f"{kind}={folder}", "--windows=8", f"--tokens={T}", "--only=text", f"--out={tmp_path}"]
    code, out, err = jattn(*words)
    assert code == 0 and out.rstrip().endswith("report.html") and "Traceback" not in err
    assert "nan" not in out.lower()
    page = (tmp_path / "report.html").read_text()
    assert "eps = 0.3" in page and f"T = {T} tokens" in page and "8 windows" in page
    assert "What attention heads do" in page and "nan" not in page[page.index("<details>") :].lower()
    assert (tmp_path / "text-layers.png").read_bytes()[:4] == b"\x89PNG"
    assert not (tmp_path / "loss.png").exists()
    told = json.loads((tmp_path / "comparison.json").read_text())[0]
    assert told["runs"][0]["imported"]["kind"] == kind and told["runs"][0]["valid_loss"] is None
    with (tmp_path / "layers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 and {row["layer"] for row in rows} == {"0", "1", "2"}


def test_the_same_numbers_stand_in_the_layers_table_and_in_json(of_gpt2):
    told = json.loads(json.dumps(to_json(of_gpt2.told), allow_nan=False))
    for row in layers_table(of_gpt2):
        assert told["layers"][0][row["measure"]][row["layer"]] == row["value"]
        found = of_gpt2.records["gpt2"][0].per_layer()[row["measure"]][row["layer"]]
        assert row["value"] == pytest.approx(found, rel=1e-4)
    assert np.shape(told["heads"][0]["alpha_1"]) == (3, 2)


def test_heat_maps_hold_the_panels_that_a_group_has(of_gpt2, of_bert, text):
    pair = analysis.compare(standard=[text["standard", 0]], null=[text["null+local:4", 0]], windows=8, only=[])
    titles = [
        [axis.get_title().split()[0] for axis in layer_figures.layer_maps(c.results["text"]).axes if axis.get_title()]
        for c in (of_gpt2, of_bert, pair)
    ]
    both = ["sink", "$α_1$:", "value", "residual"]
    assert titles == [both, [*both[:2], "[SEP]", *both[2:]], [*both[:2], "null", *both[2:]]]
    words = {text.get_text() for axis in layer_figures.layer_maps(pair.results["text"]).axes for text in axis.texts}
    assert "no null" in words


def test_massive_activations_are_said_of_the_group_that_has_them(of_gpt2):
    assert not any("massive" in line for line in findings.verdict(of_gpt2))
    record = of_gpt2.records["gpt2"][0]
    planted = record.layers | {"residual_max_over_median": Sums(np.array([[5, 2000, 1000]] * 8), np.ones((8, 3)))}
    both = {"gpt2": [record], "planted": [replace(record, layers=planted)]}
    runs = dict.fromkeys(both, of_gpt2.groups["gpt2"])
    found = {name: [Measurements(detail=record) for record in records] for name, records in both.items()}
    text = replace(of_gpt2.results["text"], runs=runs, measured=found)
    pair = replace(of_gpt2, groups=runs, results={"text": text})
    told = [line for line in findings._massive(pair) if "planted" in line or "gpt2" in line]
    assert "The gpt2 model has no massive activations" in told[0]
    assert "after 2 of 3 layers (1 to 2): up to 2,000 times the median entry" in told[1]
