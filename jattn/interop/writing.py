"""Our models as other libraries read them: safetensors, config.json and the tokenizer's files."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from jattn.config import ModelConfig
from jattn.errors import InputError, one_of
from jattn.interop import layout
from jattn.interop.keys import Keys
from jattn.interop.reading import FAMILIES

FORMATS = tuple(FAMILIES)

# What a file of weights need not say: how parameters start, how they are computed, dropout while training.
_FREE = {
    *("init_std", "zero_init", "null", "dtype", "param_dtype", "layer_loop", "implementation"),
    *("embed_dropout", "resid_dropout", "mlp_dropout"),
}


def write(config: ModelConfig, parameters: dict[str, Any], tokenizer: str, folder: str | Path, form: str) -> Path:
    """Save a model in a format of `FORMATS` into an empty or new folder; the folder.

    transformers loads it with equal logits. Raises InputError naming what the format cannot hold.
    """
    from safetensors.numpy import save_file

    family = FAMILIES[one_of("--format", form, FORMATS)]
    kind, keys = _member(config, form, family)
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"out: {str(folder)!r} is not an empty folder; name a new one")
    arrays = layout.write(parameters, family.layout(config))
    folder.mkdir(parents=True, exist_ok=True)
    keys |= {"torch_dtype": config.param_dtype, "model_type": kind}
    (folder / "config.json").write_text(json.dumps(keys, indent=2) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _member(config: ModelConfig, form: str, family: Any) -> tuple[str, dict[str, Any]]:
    """The member of the family whose config, read again, is this one; else what the nearest cannot hold."""
    nearest: list[str] | None = None
    for kind in family.MEMBERS:
        keys = family.to_keys(config, kind)
        try:
            again = family.config(Keys(json.loads(json.dumps(keys)), "config"), kind)
        except InputError as error:
            lost = [str(error)]
        else:
            if form == "bert" and config.output == "mlm":
                again = replace(again, output="mlm", output_bias=True)
            lost = _lost(config, again)
        if not lost:
            return kind, keys
        if nearest is None or len(lost) < len(nearest):
            nearest = lost
    raise InputError(f"--format {form} cannot hold {'; '.join(nearest or [])}")


def _lost(config: ModelConfig, again: ModelConfig) -> list[str]:
    """The fields of a model that its config, written and read again, would not say."""
    found = []
    for f in fields(config):
        ours, theirs = _value(config, f.name), _value(again, f.name)
        if f.name not in _FREE and ours != theirs:
            ours, theirs = getattr(config, f.name), getattr(again, f.name)
            found.append(f"model.{f.name} = {ours!r} (it has {theirs!r})")
    return found


def _value(config: ModelConfig, name: str) -> Any:
    """A field by what it means: sizes that follow from others, the attention layer by layer, rope where it is used."""
    meant = {"head_size": config.H, "kv_heads": config.N_kv, "hidden": config.F}
    if name == "attention":
        layers = [config.layer(i) for i in range(config.layers)]
        return config.attention if not layers else tuple(layers) if len(set(layers)) > 1 else layers[0]
    if name in ("rope", "rope_theta") and config.positions != "rope":
        return None
    if name in ("swiglu_limit", "experts_per_token") and not config.experts:
        return None
    if name == "norm_bias" and config.norm == "rmsnorm":
        return None
    return meant.get(name, getattr(config, name))
