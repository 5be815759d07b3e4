"""Initialising from a run or an imported model: the same weights with a null and without."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analysis.cli import main
from jattn import interop
from jattn.errors import InputError
from jattn.model import assemble, init_parameters
from tests.configs import model_config
from train import loop
from train.checkpoint import load, save_imported
from train.config import RunConfig, override
from train.importing import give_null, loss_of
from train.material import initial_parameters, prepare
from train.pretrained import finetune_config, pretrained_parameters, resolve_attention, with_attention
from train.tokenizers import Tokenizer


@pytest.fixture(scope="module")
def external(text, tmp_path_factory):
    """A small Llama in a Hugging Face folder, as if it came from elsewhere; every parameter is drawn."""
    tokenizer = Tokenizer.train("char", [text.read_text()])
    config = model_config(
        vocab_size=tokenizer.vocab_size,
        context=64,
        layers=2,
        heads=4,
        kv_heads=2,
        width=32,
        mlp__activation="swiglu",
        norm__qk=False,
        init__zero_outputs=False,
        init__std=0.3,
    )
    folder = tmp_path_factory.mktemp("external") / "llama"
    return interop.write(config, init_parameters(config), tokenizer.to_json(), folder, "llama")


def arm(external, text, attention, **changes):
    """The config of a short run that starts from the external model."""
    run = load(external)
    base = RunConfig(preset="finetune", steps=4, save_every=2, eval_every=4, log_every=1)
    base = override(base, {"data.corpus": str(text), "data.batch": 4, "optimizer.optimizer": "adamw"})
    base = finetune_config(run, str(external), base, {"data.length": 16})
    how = changes.get("null_init", "off")
    return override(with_attention(run, base, attention, how), changes)


def test_external_model_is_an_ordinary_run(external):
    run = load(external)
    ids = run.encode("the null token")
    assert run.step == 0 and run.logits("the null token").shape == (ids.shape[1], run.config.model.vocab_size)
    rows = run.attention("the null token").sum(-1)
    np.testing.assert_allclose(rows, 1.0, rtol=1e-5)


def test_saved_as_a_run_it_loads_the_same(external, tmp_path):
    run = load(external)
    save_imported(run, tmp_path / "run")
    again = load(tmp_path / "run")
    assert again.config == run.config and again.meta["imported"] == run.meta["imported"] and again.step == 0
    assert set(again.parameters) == set(run.parameters)
    for name, array in run.parameters.items():
        np.testing.assert_array_equal(again.parameters[name], array)


@pytest.mark.parametrize(
    ("base", "asked", "given"),
    [
        ("standard", "standard", "standard"),
        ("standard", "null", "null"),
        ("local:8", "standard", "local:8"),
        ("local:8", "null", "null+local:8"),
        ("local:8,standard", "key_value", "key_value+local:8,key_value"),
        ("null", "null", "null"),
        ("standard", "local:4", "local:4"),
        ("standard", "null+local:4", "null+local:4"),
    ],
)
def test_null_is_added_to_every_layer_whatever_its_window(base, asked, given):
    assert resolve_attention(base, asked) == given


def test_second_null_is_refused():
    with pytest.raises(InputError, match="has a null already"):
        resolve_attention("logit+local:8", "null")


@pytest.mark.parametrize("attention", ["null", "key_value", "logit"])
def test_null_near_off_moves_the_loss_by_less_than_a_hundredth_and_gets_a_gradient(external, text, attention):
    config = arm(external, text, attention)
    material = prepare(config)
    parameters = initial_parameters(material)
    from train.step import loss_fn

    batch = jnp.asarray(material.data.train[: 4 * 17].reshape(4, 17))
    before = loss_fn(load(external).config.model, load(external).parameters, batch)[0]
    (after, _), gradient = jax.value_and_grad(lambda p: loss_fn(material.config.model, p, batch), has_aux=True)(
        parameters
    )
    assert 0 < abs(float(after - before)) < 0.01
    nulls = [n for n in parameters if ".null." in n]
    assert nulls and all(float(jnp.abs(gradient[n]).max()) > 0 for n in nulls)


def test_null_near_off_starts_with_a_thousandth_of_all_attention_in_every_head(external, text):
    """The mean over queries of e^(s - lse), which is the null mass where that is small, on the text it was set on."""
    config = arm(external, text, "logit")
    tokens = jnp.asarray(prepare(config).data.train[: 4 * 16].reshape(4, 16))
    parameters = pretrained_parameters(load(external), config, np.asarray(tokens))
    see = lambda seen: jnp.exp(seen["s_null"] - seen["lse"]).mean((0, 1))
    first = assemble(config.model, parameters)(tokens, observe=see)[1][0]  # later layers read the first one's null
    np.testing.assert_allclose(first, 1e-3, rtol=1e-4)


def test_null_copied_from_the_sink_takes_the_same_share_as_the_first_token(external, text):
    """In the first layer, on texts that begin alike, its key is the first token's: same score, same share."""
    config = arm(external, text, "key_value", null_init="sink")
    run = load(external)
    prompt = np.tile(run.tokenizer.encode("the null token"), (2, 1))
    parameters = pretrained_parameters(run, config, prompt)
    see = lambda seen: (seen.weights()[..., 0], seen.null_mass.swapaxes(1, 2))
    first, null = assemble(config.model, parameters)(jnp.asarray(prompt), observe=see)[1]
    np.testing.assert_allclose(first[0], null[0], rtol=1e-5)
    assert config.model.null.rotary == "after"
    v = run.model(jnp.asarray(prompt), observe=lambda seen: seen["v"][:, 0])[1]
    np.testing.assert_allclose(parameters["blocks.1.attention.null.value"], jnp.repeat(v[1, 0], 2, 0), rtol=1e-5)


def test_training_the_null_alone_leaves_all_else_as_it_was(external, text, tmp_path):
    config = arm(external, text, "null", trainable="null", **{"optimizer.learning_rate": 0.1, "optimizer.warmup": 0})
    run = loop.run(config, tmp_path / "run")
    before = load(external).parameters
    moved = {n for n in run.parameters if n not in before}
    assert moved and all(".null." in n for n in moved)
    for name, array in before.items():
        np.testing.assert_array_equal(run.parameters[name], array)
    started = initial_parameters(prepare(config))
    assert all(float(jnp.abs(run.parameters[n] - started[n]).max()) > 0.05 for n in moved)


def test_stopped_and_resumed_it_is_the_same_run(external, text, tmp_path):
    """Half of it, then the rest from the checkpoint at step 2."""
    import shutil

    config = arm(external, text, "null")
    straight = loop.run(config, tmp_path / "straight")
    shutil.copytree(tmp_path / "straight", tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "checkpoints" / "4")
    again = loop.run(config, tmp_path / "half", resume=True)
    for name, array in straight.parameters.items():
        np.testing.assert_array_equal(again.parameters[name], array)


def test_arms_from_the_command_line_start_equal_and_see_the_same_text(external, text, tmp_path, capsys):
    words = ["train", "--from", str(external), "--corpus", str(text), "--attention", "standard", "null", "--steps=2"]
    words += ["--batch=4", "--length=16", "--log-every=1", "--out", str(tmp_path / "arms")]
    assert main(words) == 0
    from train.metrics import read_metrics

    one, two = (read_metrics(tmp_path / "arms" / f"finetune-{a}-s0") for a in ("standard", "null"))
    assert [set(row) >= {"valid_loss", "first_token_share", "null_share", "massive"} for row in one[:2]] == [
        True,
        False,
    ]
    assert one[0]["valid_loss"] == pytest.approx(two[0]["valid_loss"], abs=0.01) and two[0]["null_share"] > 0
    assert one[1]["loss"] == pytest.approx(two[1]["loss"], abs=0.01)
    told = capsys.readouterr().out
    assert "jattn compare standard=" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--layers=3"], "--model.layers"),
        (["--tokenizer=byte"], "--data.tokenizer"),
        (["--trainable=null"], "trainable: 'null' needs an attention with a null"),
        (["--length=65"], "data.length must be at most model.context = 64, got 65"),
        (["--attention=logit", "--null-init=sink"], "copies a key"),
    ],
)
def test_what_would_make_it_another_model_is_refused(external, text, tmp_path, capsys, words, says):
    code = main(["train", "--from", str(external), "--corpus", str(text), "--out", str(tmp_path / "run"), *words])
    line = capsys.readouterr().err.splitlines()[-1]
    assert code == 2 and says in line
    assert not (tmp_path / "run").exists()


def test_import_writes_a_run_and_says_what_the_null_costs(external, text, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["import", str(external), "--out", str(out), "--attention", "null", "--corpus", str(text)]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == str(out) and "before any training" in told.err
    run = load(out)
    assert run.config.model.attention == "null"
    assert main(["import", str(external), "--out", str(out)]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["sample", str(out), "--prompt", "the", "--length", "5"]) == 0


@pytest.mark.parametrize("words", [["--null-init=sink"], ["--corpus=words.txt"]])
def test_import_without_a_null_refuses_what_is_about_one(external, tmp_path, capsys, words):
    assert main(["import", str(external), "--out", str(tmp_path / "run"), *words]) == 2
    assert "is about a null; add one with --attention null" in capsys.readouterr().err


def test_pattern_that_would_drop_windows_is_refused():
    with pytest.raises(InputError, match="would drop the windows of the model"):
        resolve_attention("local:8", "null,standard")


def test_folded_import_has_the_same_loss(external, text, tmp_path):
    assert main(["import", str(external), "--out", str(tmp_path / "run"), "--fold-norms"]) == 0
    raw, folded = load(external), load(tmp_path / "run")
    windows = raw.tokenizer.encode(text.read_text())[: 4 * 17].reshape(4, 17)
    assert loss_of(folded, windows) == pytest.approx(loss_of(raw, windows), rel=1e-5)
    assert not folded.config.model.output.tied


def test_folder_that_cannot_be_made_is_one_line(external, capsys):
    for words in (["import", str(external)], ["export", str(external), "--format", "llama"]):
        assert main([*words, "--out", "/proc/nowhere/run"]) == 2
        assert (
            "'/proc/nowhere/run" in (err := capsys.readouterr().err) and "cannot be made" in err and ".new" not in err
        )
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize("path", ["nowhere", "words"])
def test_import_of_what_is_no_model_is_one_line_and_leaves_nothing(tmp_path, capsys, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").mkdir()
    assert main(["import", path, "--out", "run"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("jattn: import: ") and len(err.splitlines()) == 1 and not (tmp_path / "run").exists()


def test_null_that_is_there_already_is_not_given_twice(external, text):
    run = give_null(load(external), "null", "off", str(text))
    with pytest.raises(InputError, match="has already"):
        give_null(run, "null", "off", str(text))


def test_start_from_loaded_weights_compiles_every_program_once(external, text, tmp_path, caplog):
    """Loaded arrays are bound to a device and the optimizer's new ones are not, which would be two programs."""
    save_imported(load(external), tmp_path / "saved")
    config = arm(tmp_path / "saved", text, "null", steps=3, **{"optimizer.beta1": 0.8})
    with jax.log_compiles():
        loop.run(config, tmp_path / "run")
    told = [record.getMessage() for record in caplog.records]
    step, evaluate = (sum(f"Compiling jit({name})" in line for line in told) for name in ("step", "evaluate"))
    assert step == 1 and evaluate <= 1  # 0 where an earlier test has evaluated the same model


def test_run_keeps_the_special_tokens_of_the_model_it_starts_from(external, text, tmp_path):
    import json
    import shutil

    shutil.copytree(external, tmp_path / "model")
    told = json.loads((tmp_path / "model/config.json").read_text())
    (tmp_path / "model/config.json").write_text(json.dumps(told | {"eos_token_id": 3}))
    run = loop.run(arm(tmp_path / "model", text, "null", steps=2), tmp_path / "run")
    assert run.ends == (3,) and run.special_tokens == load(tmp_path / "model").special_tokens


def test_import_keeps_what_was_done_to_the_model(external, text, tmp_path):
    out = tmp_path / "run"
    assert (
        main(["import", str(external), "--out", str(out), "--fold-norms", "--attention=null", f"--corpus={text}"]) == 0
    )
    run = load(out)
    told, null = run.meta["imported"], run.meta["imported"]["null"]
    assert told["fold_norms"] and run.config.null_init == null["start"] == "off"
    assert null["attention"] == "null" and (null["windows"], null["tokens"]) == (6, 64)
    assert 0 < abs(null["loss_after"] - null["loss_before"]) < 0.01


def test_hidden_states_that_a_null_moves_are_measured_where_there_is_no_loss(text, tmp_path, capsys):
    """A null of score 0 on a BERT: printed and kept, layer by layer; and none if the null is far away."""
    from train.importing import hidden_moved

    tokenizer = Tokenizer.train("char", [text.read_text()])
    config = model_config(
        vocab_size=tokenizer.vocab_size,
        context=64,
        layers=2,
        heads=2,
        width=16,
        causal=False,
        output__kind="none",
        positions="learned",
        norm__kind="layernorm",
        norm__position="post",
        bias__norm=True,
        mlp__activation="gelu",
        bias__qkv=True,
        bias__out=True,
        bias__mlp=True,
        norm__qk=False,
        token_types=2,
        init__zero_outputs=False,
        init__std=0.3,
    )
    folder = interop.write(config, init_parameters(config), tokenizer.to_json(), tmp_path / "bert", "bert")
    words = ["import", str(folder), "--out", str(tmp_path / "run"), "--attention=key_value", f"--corpus={text}"]
    assert main(words) == 0
    err = capsys.readouterr().err
    run, base = load(tmp_path / "run"), load(folder)
    moved = run.meta["imported"]["null"]["hidden_moved"]
    assert len(moved) == 2 and 0 < moved[-1] < 0.1
    assert f"hidden states moved by {moved[-1]:.2%} of their size" in err and "loss" not in err
    tokens = np.tile(run.tokenizer.encode("the null token"), (2, 1))
    far = {n: p - 1e4 if n.endswith(".null.logit") else p for n, p in run.parameters.items()}
    assert hidden_moved(base, base, tokens) == [0, 0]
    assert hidden_moved(base, type(run)(run.path, 0, run.config, run.meta, far), tokens) == [0, 0]


def test_text_that_the_model_cannot_write_is_refused_with_another_corpus_as_the_way_out(external, tmp_path, capsys):
    (tmp_path / "Q.txt").write_text("Q" * 2000)
    for command in (
        ["import", "--attention=null", str(external)],
        ["train", "--from", str(external), "--attention=null"],
    ):
        assert main([*command, "--corpus", str(tmp_path / "Q.txt"), "--out", str(tmp_path / "run")]) == 2
        err = capsys.readouterr().err
        assert "character 'Q'" in err and "--corpus" in err and "kind byte" not in err and err.count("\n") == 1
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ('{"hidden_size": 4}', "config.json: 'model_type' is missing"),
        ("[1]", "config.json: expected an object of keys and values, got list"),
        ("{", "config.json cannot be read as JSON"),
    ],
)
def test_config_that_names_no_model_says_what_is_wrong_with_it(tmp_path, capsys, told, says):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(told)
    assert main(["import", str(tmp_path / "model"), "--out", str(tmp_path / "run")]) == 2
    assert says in capsys.readouterr().err


def test_what_import_cannot_do_it_does_not_offer(external, tmp_path, capsys):
    words = ["import", str(external), "--out", str(tmp_path / "run")]
    assert main(words) == 0 and main(words) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert "--overwrite" in err and "--resume" not in err
    assert main([*words, "--overwrite"]) == 0
    assert main(["import", str(tmp_path / "run"), "--out", str(tmp_path / "other")]) == 2
    assert "is a run already" in capsys.readouterr().err
