"""Every family and option of the importer against transformers; the table in docs/parity.md is of the same cases."""

import pytest

pytest.importorskip("torch", reason="pip install -e '.[peers]'")
pytest.importorskip("transformers", reason="pip install -e '.[peers]'")

import parity
import parity_errors
import parity_models
import parity_options

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]  # transformers' own warnings


@pytest.mark.parametrize("case", parity_models.CASES, ids=lambda c: c.name)
def test_imported_model_is_the_one_that_transformers_runs(case):
    """float64: to 1e-9 of the largest value. float32: our error is at most twice theirs, in every layer."""
    found = parity.run_case(case)
    for what, values in found["float64"].items():
        assert max(values) < 1e-9, what
    assert parity.worst_ratio(found) <= 2.0


def test_a_model_that_is_slightly_off_would_be_noticed(tmp_path):
    """One number of one array is changed by a hundredth of the largest: far above what parity allows."""
    import json

    from safetensors.numpy import load_file, save_file

    case = next(c for c in parity_models.CASES if c.name == "Llama, grouped heads")
    parity_models.make(case, tmp_path / "model")
    vocab = json.loads((tmp_path / "model/config.json").read_text())["vocab_size"]
    tokens, real, types = parity_models.inputs(case, vocab)
    right = parity_errors.ours(tmp_path / "model", "float32", tokens, real, types)
    arrays = load_file(tmp_path / "model/model.safetensors")
    name = "model.layers.1.self_attn.k_proj.weight"
    arrays[name][3, 5] += 0.01 * abs(arrays[name]).max()
    save_file(arrays, tmp_path / "model/model.safetensors", metadata={"format": "pt"})
    wrong = parity_errors.ours(tmp_path / "model", "float32", tokens, real, types)
    assert max(parity_errors.errors(wrong, right, real)["logits"]) > 1e-6


@pytest.mark.parametrize("name", ["Mistral, window 13", "Llama, rope yarn", "gpt-oss, sinks, experts, window 9"])
def test_logits_with_a_cache_are_those_of_transformers(name):
    """A prompt, then token by token: against our whole text, transformers' whole text, and transformers' cache."""
    found = parity_options.measure_cache(next(c for c in parity_models.CASES if c.name == name))
    assert {n: v for n, v in found.items() if "float32" not in n and not v < 1e-9} == {}


def test_row_order_of_gguf_files_is_undone():
    """At T = 80; a file whose rows are not in that order is another model, so that parity would notice."""
    assert max(max(v) for v in parity_options.measure_row_order(True).values()) < 1e-9
    assert min(max(v) for v in parity_options.measure_row_order(False).values()) > 0.1
