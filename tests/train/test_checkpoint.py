"""Checkpoints hold all that is needed, survive being moved, and are written over only where that loses nothing."""

import json
import shutil

import jax
import numpy as np
import pytest

import train
from jattn.errors import InputError
from jattn.model import assemble, parameter_shapes
from tests.configs import changed
from train import loop
from train.checkpoint import Writer, load, load_state, read_meta
from train.folders import FINISHED, check_folder, check_same, find_runs, finished_steps, is_run, prepare_folder
from train.material import prepare
from train.sizes import SIZES
from train.step import init_state


@pytest.fixture(scope="module")
def bos_run(tiny, tmp_path_factory):
    """A run of 2 steps with a fixed first token, every layer with a null of its own kind."""
    config = tiny({"steps": 2, "data.bos": True, "model.attention": "key_value", "model.layers": 2})
    return loop.run(config, tmp_path_factory.mktemp("bos") / "run")


@pytest.fixture
def moved(straight, tmp_path):
    """A copy of the run's folder elsewhere."""
    return shutil.copytree(straight.path, tmp_path / "moved")


def same(one, two):
    assert jax.tree.structure(one) == jax.tree.structure(two)
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True))


def test_latest_is_the_last_step_and_every_kept_step_can_be_named(straight):
    assert finished_steps(straight.path) == [9, 12]
    assert load(straight.path).step == load(straight.path, "latest").step == load(straight.path, 12).step == 12
    nine = load(straight.path, 9)
    assert nine.step == 9 and not same(nine.parameters, straight.parameters)


def test_step_that_was_not_kept_is_refused_with_those_that_were(straight):
    with pytest.raises(InputError, match=r"has no checkpoint at step 3; it has 9, 12"):
        load(straight.path, 3)


def test_best_is_the_one_with_the_least_validation_loss(straight):
    losses = {step: load(straight.path, step).meta["valid_loss"] for step in (9, 12)}
    best = load(straight.path, "best")
    assert best.meta["valid_loss"] == min(losses.values()) and losses[best.step] == min(losses.values())


def test_writer_keeps_the_latest_and_the_best(tmp_path, tiny):
    state = init_state(tiny({"model.vocab_size": 5, "model.layers": 0}))
    with Writer(tmp_path, keep=2) as writer:
        for step, loss in enumerate([3.0, 1.0, 2.5, 2.0, 2.2, 2.1], 1):
            writer.save(state, step, {"config": {}, "valid_loss": loss})
    assert finished_steps(tmp_path) == [2, 5, 6]


def test_writer_clears_unfinished_steps_out_of_its_way(tmp_path, tiny):
    state = init_state(tiny({"model.vocab_size": 5, "model.layers": 0}))
    for step in (1, 2):
        with Writer(tmp_path, keep=3) as writer:
            writer.save(state, step, {"config": {}, "valid_loss": 1.0})
    (tmp_path / "checkpoints" / "2" / FINISHED).unlink()
    (tmp_path / "checkpoints" / "notes").mkdir()
    with Writer(tmp_path, keep=3) as writer:
        writer.save(state, 2, {"config": {}, "valid_loss": 1.0})
    assert finished_steps(tmp_path) == [1, 2] and (tmp_path / "checkpoints" / "notes").is_dir()


def test_copied_run_loads_and_is_the_same(straight, moved):
    run = train.load(moved)
    assert run.path == moved and run.config == straight.config and run.meta == straight.meta
    assert same(run.parameters, straight.parameters)


@pytest.mark.parametrize("name", ["9", "my-model"])
def test_copied_checkpoint_loads_by_itself_under_any_name(straight, tmp_path, name):
    shutil.copytree(straight.path / "checkpoints" / "9", tmp_path / name)
    run = load(tmp_path / name)
    assert run.step == 9 and run.path == tmp_path / name and run.config == straight.config
    assert same(run.parameters, load(straight.path, 9).parameters)
    assert run.tokenizer == straight.tokenizer


def test_checkpoint_inside_its_run_loads_as_that_run(straight):
    run = load(straight.path / "checkpoints" / "9")
    assert (run.step, run.path) == (9, straight.path)


def test_loaded_state_is_the_state_that_was_saved(tmp_path, tiny):
    config = tiny({"model.vocab_size": 5, "model.attention": "key_value", "optimizer.optimizer": "muon"})
    state = jax.device_get(init_state(config))
    draw = np.random.default_rng(0)
    state = jax.tree.map(lambda a: np.asarray(100 * draw.random(a.shape), a.dtype), state)
    with Writer(tmp_path, keep=1) as writer:
        writer.save(jax.tree.map(jax.numpy.asarray, state), 7, {"config": {}, "valid_loss": 1.0})
    assert same(jax.device_get(load_state(tmp_path, jax.eval_shape(lambda: init_state(config)))), state)


def test_tokenizer_in_the_checkpoint_is_the_one_trained_on_the_text(straight, bos_run, text):
    words = text.read_text(encoding="utf-8")
    for run in (straight, bos_run):
        assert run.tokenizer.decode(run.tokenizer.encode(words)) == words
        assert run.tokenizer.vocab_size == run.config.model.vocab_size == len(set(words)) + run.config.data.bos
        assert run.tokenizer == prepare(run.config).tokenizer


def test_meta_says_what_the_run_is_made_of(straight, text):
    meta = read_meta(straight.path)
    assert set(meta) == {"config", "tokenizer", "corpus", "versions", "machine", "parameters", "valid_loss", "step"}
    assert meta["corpus"]["name"] == str(text) and meta["corpus"]["size"] == len(text.read_text())
    assert meta["parameters"] == sum(p.size for p in straight.parameters.values())
    told = json.loads((straight.path / "config.json").read_text())
    assert told == {name: value for name, value in meta.items() if name not in ("tokenizer", "valid_loss", "step")}


def test_parameters_are_those_of_the_config(straight):
    shapes = parameter_shapes(straight.config.model)
    assert {n: (p.shape, p.dtype) for n, p in straight.parameters.items()} == {
        n: (s.shape, s.dtype) for n, s in shapes.items()
    }


def test_parameters_of_a_written_out_model_load_into_a_scanned_one(bos_run):
    model = bos_run.config.model
    assert model.compute.layer_loop == "auto" and model.layers == 2  # written out
    tokens = bos_run.encode("the head")
    logits = [
        jax.jit(lambda p, x, loop=loop: assemble(changed(model, compute__layer_loop=loop), p)(x))(
            bos_run.parameters, tokens
        )
        for loop in ("python", "scan")
    ]
    np.testing.assert_allclose(logits[1], logits[0], rtol=1e-5, atol=1e-6)


def test_logits_are_one_row_per_character_and_do_not_see_ahead(straight):
    one, two = np.asarray(straight.logits("the head")), np.asarray(straight.logits("the null"))
    assert one.shape == two.shape == (8, straight.tokenizer.vocab_size)
    np.testing.assert_allclose(one[:4], two[:4], atol=1e-6)
    assert np.abs(one[4:] - two[4:]).max() > 1e-3


def test_attention_rows_sum_to_one_with_the_null_in_column_zero(straight):
    attention = np.asarray(straight.attention("the head"))
    assert attention.shape == (2, 2, 8, 9)
    np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-5)
    null, window = attention
    assert (null[..., 0] > 0).all() and (window[..., 0] == 0).all()
    query, key = np.arange(8)[:, None], np.arange(8)
    for layer, hidden in ((null, key > query), (window, (key > query) | (key <= query - 4))):
        assert (layer[..., 1:][:, hidden] == 0).all() and (layer[..., 1:][:, ~hidden] > 0).all()


def test_fixed_first_token_stands_before_every_text(bos_run, straight):
    bos = bos_run.tokenizer.bos
    assert bos == bos_run.tokenizer.vocab_size - 1
    ids = bos_run.encode("the hea")
    assert ids.dtype == np.int32 and ids.tolist() == [[bos, *bos_run.tokenizer.encode("the hea")]]
    attention = np.asarray(bos_run.attention("the hea"))
    assert attention.shape == (2, 2, 8, 9)
    np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-5)
    assert straight.tokenizer.bos is None and straight.encode("the").shape == (1, 3)


def test_validation_loss_of_the_checkpoint_is_that_of_its_model(straight):
    """All of the held-out tail, in windows of 16 that predict every character but the first once."""
    material = prepare(straight.config)
    ids = material.data.valid
    windows = np.stack([ids[i : i + 17] for i in range(0, len(ids) - 16, 16)])
    logits = jax.jit(lambda p, x: assemble(straight.config.model, p)(x))(straight.parameters, windows[:, :-1])
    logits = np.asarray(logits, np.float64)
    losses = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, windows[:, 1:, None], -1)[..., 0]
    assert straight.meta["valid_loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_new_run_may_go_where_nothing_is(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "new", tmp_path / "a" / "b", tmp_path / "empty"):
        check_folder(folder, overwrite=False)
        prepare_folder(folder, overwrite=False)
        assert folder.is_dir()


def test_run_is_replaced_only_with_overwrite_and_other_files_beside_it_stay(moved):
    (moved / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists; add --resume to go on, --overwrite to start anew"):
        prepare_folder(moved, overwrite=False)
    assert finished_steps(moved) == [9, 12]
    prepare_folder(moved, overwrite=True)
    assert [path.name for path in moved.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(
    "config", [None, '{"model_type": "gpt2"}', '["config", "corpus"]', '{"config": {}, "cor', "\x00"]
)
def test_folder_that_is_no_run_is_left_alone(tmp_path, overwrite, config):
    """Also one with a config.json of somebody else's, such as a model of Hugging Face."""
    (tmp_path / "thesis.tex").write_text("years of work")
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert not is_run(tmp_path)
    for check in (check_folder, prepare_folder):
        with pytest.raises(InputError, match="not empty and not a run, so it is left alone; name another folder"):
            check(tmp_path, overwrite=overwrite)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("below", ["", "x", "x/y"])
def test_file_in_the_way_is_named(tmp_path, below):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match=r"file' is a file; name a folder"):
        check_folder(file / below if below else file, overwrite=True)


def test_runs_are_found_by_path_and_by_glob(straight, moved):
    shutil.copytree(moved, moved.parent / "more")
    (moved.parent / "other").mkdir()
    assert find_runs(str(moved)) == [moved]
    assert find_runs(str(moved.parent / "*")) == [moved.parent / "more", moved]
    with pytest.raises(InputError, match=r"no run matches .*; runs there: more, moved"):
        find_runs(str(moved.parent / "nothing*"))


def test_run_that_is_not_there_is_refused_with_those_that_are(moved):
    with pytest.raises(InputError, match=r"does not exist; runs here: moved"):
        load(moved.parent / "move")
    (moved.parent / "empty").mkdir()
    with pytest.raises(InputError, match=r"is not a run \(it has no checkpoints\); runs here: moved"):
        load(moved.parent / "empty")


def test_latest_is_the_latest_that_was_finished(moved):
    (moved / "checkpoints" / "12" / FINISHED).unlink()
    assert finished_steps(moved) == [9] and load(moved).step == 9
    (moved / "checkpoints" / "9" / FINISHED).unlink()
    with pytest.raises(InputError, match=r"has no finished checkpoint \(unfinished: (9, 12|12, 9)\)"):
        load(moved)


def test_checkpoint_with_a_file_cut_short_is_refused_by_that_file_and_earlier_ones_still_load(moved):
    last = moved / "checkpoints" / "12"
    data = max(last.rglob("d/*"), key=lambda path: path.stat().st_size)
    size = data.stat().st_size
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(InputError) as error:
        load(moved)
    assert str(error.value) == (
        f"checkpoint '{last}' cannot be read; delete it to use an earlier one "
        f"({data.relative_to(last)} has 100 bytes instead of {size:,})"
    )
    assert load(moved, 9).step == 9
    shutil.rmtree(last)
    assert load(moved).step == 9


def test_sizes_of_all_files_are_noted_once_a_checkpoint_is_finished(straight):
    for step in ("9", "12"):
        folder = straight.path / "checkpoints" / step
        found = {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
        assert json.loads((folder / SIZES).read_text()) == {name: n for name, n in found.items() if name != SIZES}


def test_check_same_names_every_field_that_differs_and_no_other():
    check_same({"a": 1, "b": 2}, {"a": 1, "b": 3}, free={"b"})
    with pytest.raises(InputError, match=r"\(a: 1 on disk, 5 given, c: None on disk, 4 given\)"):
        check_same({"a": 1, "b": 2}, {"a": 5, "b": 2, "c": 4}, free=set())
