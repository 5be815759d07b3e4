"""The BERT family: both sides seen, norms after each part, learned positions and sentence types. BERT, MiniLM."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from jattn.config import BiasConfig, MlpConfig, ModelConfig, NormConfig, OutputConfig
from jattn.interop.config_keys import Keys
from jattn.interop.family import Family
from jattn.interop.layout import Entry, entry, linear

MEMBERS = ("bert",)
PREFIX = "bert."
NAMES = {"heads": "num_attention_heads", "width": "hidden_size", "norm.eps": "layer_norm_eps"}
COPIES = {  # stored again by some, though tied
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
ACTIVATIONS: dict[str, Any] = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}


def config(keys: Keys, _: str) -> ModelConfig:
    """The config of a BERT without an output layer; whether there is one is seen by its arrays.

    Defaults are those of its class in transformers.
    """
    keys.only("position_embedding_type", "absolute")
    keys.only("is_decoder", False)
    keys.only("add_cross_attention", False)
    keys.only("tie_word_embeddings", True)
    act = keys("hidden_act", str, "gelu")
    if act not in ACTIVATIONS:
        keys.values["hidden_act"] = act
        keys.only("hidden_act", *ACTIVATIONS)
    width = keys("hidden_size", int, 768)
    return ModelConfig(
        vocab_size=keys("vocab_size", int, 30522),
        context=keys("max_position_embeddings", int, 512),
        layers=keys("num_hidden_layers", int, 12),
        heads=keys("num_attention_heads", int, 12),
        width=width,
        positions="learned",
        causal=False,
        token_types=keys("type_vocab_size", int, 2),
        mlp=MlpConfig(ACTIVATIONS[act], keys("intermediate_size", int, 4 * width)),
        norm=NormConfig("layernorm", "post", keys("layer_norm_eps", float, 1e-12), qk=False),
        bias=BiasConfig(qkv=True, out=True, mlp=True, norm=True),
        output=OutputConfig("none"),
    )


def completed(config: ModelConfig, names: Collection[str]) -> ModelConfig:
    """The config of a BERT that predicts masked tokens, if it has the arrays for it."""
    if not any(name.startswith("cls.predictions.") for name in names):
        return config
    return replace(config, output=replace(config.output, kind="mlm"), bias=replace(config.bias, output=True))


def layout(c: ModelConfig) -> list[Entry]:
    """Where every parameter stands."""
    e = "bert.embeddings"
    entries = [
        entry(f"{e}.word_embeddings.weight", "token_rows"),
        entry(f"{e}.position_embeddings.weight", "position_rows"),
        entry(f"{e}.token_type_embeddings.weight", "type_rows"),
        *_norm(f"{e}.LayerNorm", "embed_norm"),
    ]
    for i in range(c.layers):
        theirs, ours = f"bert.encoder.layer.{i}", f"blocks.{i}"
        for n, name in (("q", "query"), ("k", "key"), ("v", "value")):
            entries += linear(f"{theirs}.attention.self.{name}", f"{ours}.attention.{n}", True)
        entries += linear(f"{theirs}.attention.output.dense", f"{ours}.attention.out", True)
        entries += _norm(f"{theirs}.attention.output.LayerNorm", f"{ours}.attention_norm")
        entries += linear(f"{theirs}.intermediate.dense", f"{ours}.mlp.up", True)
        entries += linear(f"{theirs}.output.dense", f"{ours}.mlp.down", True)
        entries += _norm(f"{theirs}.output.LayerNorm", f"{ours}.mlp_norm")
    if c.output.kind == "mlm":
        entries += linear("cls.predictions.transform.dense", "transform.dense", True)
        entries += _norm("cls.predictions.transform.LayerNorm", "transform.norm")
        entries.append(entry("cls.predictions.bias", "output_bias"))
    return entries


def _norm(theirs: str, ours: str) -> list[Entry]:
    return [entry(f"{theirs}.weight", f"{ours}.scale"), entry(f"{theirs}.bias", f"{ours}.bias")]


def dropped(name: str) -> bool:
    """Arrays that no token's hidden state depends on: pooler and sentence heads, position ids, copies of tied rows."""
    return (
        name.startswith(("bert.pooler.", "cls.seq_relationship.", "cls.predictions.decoder."))
        or name == "bert.embeddings.position_ids"
    )


def to_keys(c: ModelConfig, _: str) -> dict[str, Any]:
    """The config.json."""
    names = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    return {
        "architectures": ["BertForMaskedLM" if c.output.kind == "mlm" else "BertModel"],
        "model_type": "bert",
        "vocab_size": c.vocab_size,
        "max_position_embeddings": c.context,
        "hidden_size": c.width,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "intermediate_size": c.F,
        "hidden_act": names.get(c.mlp.activation, c.mlp.activation),
        "layer_norm_eps": c.norm.eps,
        "type_vocab_size": c.token_types,
        "tie_word_embeddings": True,
    }


def nearest(c: ModelConfig) -> ModelConfig:
    """Heads that fill the width, sentence types, and one MLP of an activation that it has."""
    activation = c.mlp.activation if c.mlp.activation in ACTIVATIONS.values() else "gelu"
    width = c.heads * c.H if c.width % c.heads else c.width
    return replace(c, width=width, mlp=replace(c.mlp, activation=activation, experts=0), token_types=c.token_types or 1)


FAMILY = Family(
    members=MEMBERS,
    prefix=PREFIX,
    names=NAMES,
    copies=COPIES,
    config=config,
    layout=layout,
    dropped=dropped,
    to_keys=to_keys,
    nearest=nearest,
    completed=completed,
)
