"""Runs on disk: what is in a run's folder, how it is written, and the one loader. The only file that imports Orbax.

    runs/small-null-s0/
        config.json          config, corpus (name, size, sha256), versions, parameter count: for people and for `runs`
        metrics.jsonl        one line per log and per evaluation (train/metrics.py)
        checkpoints/<step>/  Orbax: `state` (step, parameters, optimizer), with config, tokenizer, corpus and versions
                             as its metadata

A checkpoint holds all that is needed to use it: its folder can be copied anywhere. The data position is the step.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jattn.errors import InputError
from jattn.interop.external import is_external
from train.config import RunConfig, from_dict
from train.config_history import renamed
from train.folders import FINISHED, finished_steps, locate
from train.orbax_logging import orbax_silenced
from train.runs import Run
from train.sizes import check_whole, note_sizes, unreadable

if TYPE_CHECKING:
    from train.step import TrainState


def load(path: str | Path, step: int | str = "latest") -> Run:
    """The run in a folder, at its `latest` or `best` checkpoint or at a step; a checkpoint's own folder works too.

    A Hugging Face folder or a GGUF file (jattn.interop) is a run that was not trained here. Raises InputError where
    there is no run, no finished checkpoint, or no such step.
    """
    if is_external(path):
        if step not in ("latest", "best", 0):
            raise InputError(f"step: {path} is no run of ours, it has no steps, got {step}")
        return imported(path)
    folder, latest = locate(path)
    if step == "latest" or latest == Path(path):
        return _read(folder, latest)
    steps = finished_steps(folder)
    if step == "best":
        losses = {s: _meta(folder / "checkpoints" / str(s)).get("valid_loss", float("inf")) for s in steps}
        chosen = min(losses, key=lambda s: losses[s])
    elif step in steps:
        chosen = int(step)
    else:
        raise InputError(f"step: {folder} has no checkpoint at step {step}; it has {', '.join(map(str, steps))}")
    return _read(folder, folder / "checkpoints" / str(chosen))


def _read(folder: Path, checkpoint: Path) -> Run:
    import jax

    from jattn.model import parameter_shapes

    meta = _meta(checkpoint)
    config = from_dict(RunConfig, meta["config"])
    wanted = {"step": jax.ShapeDtypeStruct((), "int32"), "parameters": parameter_shapes(config.model)}
    state = _load_state(checkpoint, wanted, partly=True)
    return Run(folder, int(state["step"]), config, meta, state["parameters"])


def imported(path: str | Path) -> Run:
    """The model in a Hugging Face folder or a GGUF file as a run of 0 steps, which has seen none of our text.

    Measures read the text `pydoc` unless told another. Raises InputError as `jattn.interop.read` does.
    """
    from jattn import interop
    from jattn.model import count_parameters
    from train.config import DataConfig, to_dict
    from train.provenance import machine, versions
    from train.tokenizers import Tokenizer

    external = interop.read(path)
    tokenizer = Tokenizer.from_json(external.tokenizer)
    if tokenizer.vocab_size > external.config.vocab_size:
        raise InputError(
            f"{path}: the tokenizer has {tokenizer.vocab_size:,} tokens, the model {external.config.vocab_size:,}; "
            "are they of the same model?"
        )
    name = Path(path).resolve().name.removesuffix(".gguf")
    data = DataConfig(tokenizer="model", length=min(128, external.config.context))
    config = RunConfig(preset=name, steps=1, init_from=str(path), model=external.config, data=data)
    meta = {
        "config": to_dict(config),
        "tokenizer": external.tokenizer,
        "corpus": {"name": "not trained here", "size": 0, "sha256": None},
        "imported": {"kind": external.kind, "path": str(path), "sha256": external.sha256},
        "special": external.special_tokens,
        "versions": versions(),
        "machine": machine(),
        "parameters": count_parameters(external.config),
        "step": 0,
    }
    return Run(Path(path), 0, config, meta, external.parameters)


def save_imported(run: Run, folder: Path) -> None:
    """Write a run that was not trained here as an ordinary one into a new folder, with one checkpoint at step 0."""
    import jax.numpy as jnp

    ocp = _orbax()
    state = {"step": jnp.zeros((), jnp.int32), "parameters": run.parameters}
    shown = {k: v for k, v in run.meta.items() if k != "tokenizer"}
    checkpoint = (folder / "checkpoints" / "0").resolve()
    ocp.save_checkpointables(checkpoint, {"state": state}, custom_metadata=run.meta)
    note_sizes(checkpoint)
    (folder / "config.json").write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")


def load_state(folder: Path, like: "TrainState") -> "TrainState":
    """The latest training state of a run, shaped like `like` (arrays or shapes); bound to no device, as fresh ones."""
    import jax

    state = jax.device_get(_load_state(locate(folder)[1], like._asdict()))
    return type(like)(**jax.tree.map(jax.numpy.asarray, state))


def read_meta(folder: Path) -> dict[str, Any]:
    """What a checkpoint, or the latest one of a run, says of itself."""
    return _meta(locate(folder)[1])


def _meta(checkpoint: Path) -> dict[str, Any]:
    ocp = _orbax()

    check_whole(checkpoint)
    with _readable(checkpoint):
        meta = ocp.checkpointables_metadata(checkpoint.resolve()).custom_metadata
    if not isinstance(meta, dict) or "config" not in meta:
        raise InputError(unreadable(checkpoint, "it does not say which config it was trained with"))
    return meta | {"config": renamed(meta["config"])}


def _load_state(checkpoint: Path, like: Any, *, partly: bool = False) -> Any:
    import jax

    ocp = _orbax()

    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    abstract = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=device), like)
    context = ocp.Context()
    context.pytree.loading.partial_load = partly
    with _readable(checkpoint), context:
        return ocp.load_checkpointables(checkpoint.resolve(), {"state": abstract})["state"]


@contextmanager
def _readable(checkpoint: Path) -> Iterator[None]:
    """Turns whatever Orbax raises on a damaged checkpoint into one line; the cause stays attached."""
    try:
        with orbax_silenced():
            yield
    except Exception as error:
        first: BaseException = error
        while (cause := first.__cause__ or first.__context__) is not None:
            first = cause  # Orbax wraps what the file system said
        reason = " ".join(str(first).split()).partition(" [tensorstore_spec")[0] or type(first).__name__
        raise InputError(unreadable(checkpoint, reason[:300])) from error


def _orbax() -> Any:
    """Orbax's version 1, which is still called experimental there: its annotations are not to be relied on."""
    from orbax.checkpoint import v1

    return v1


class Writer:
    """Saves checkpoints of one run while it trains; keeps the latest `keep` and the best. A context manager."""

    def __init__(self, folder: Path, keep: int):
        ocp = _orbax()

        self._folder = (folder / "checkpoints").resolve()
        for left in self._folder.glob("[0-9]*"):
            if left.name.isdigit() and not (left / FINISHED).exists():  # unfinished: in the way of the next save
                shutil.rmtree(left)
        policies = ocp.training.preservation_policies
        best = policies.BestN(get_metric_fn=lambda m: m["valid_loss"], reverse=True, n=1)
        self._checkpointer = ocp.training.Checkpointer(
            self._folder,
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(keep), best]),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            cleanup_tmp_directories=True,
        )

    def save(self, state: "TrainState", step: int, meta: dict[str, Any]) -> None:
        """Write the state after `step` steps; returns when its arrays are copied, the writing goes on behind."""
        self._seal()
        self._checkpointer.save_checkpointables_async(
            step,
            {"state": state._asdict()},
            metrics={"valid_loss": meta["valid_loss"]},
            custom_metadata=meta | {"step": step},
        )

    def _seal(self) -> None:
        """Note the sizes of what is written by now."""
        self._checkpointer.wait()
        for done in (path.parent for path in self._folder.glob("*/" + FINISHED)):
            note_sizes(done)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_) -> None:
        self._seal()
        self._checkpointer.close()
