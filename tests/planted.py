"""Models built by hand, each with a structure that measures must find exactly: (ModelConfig, parameters).

All are attention-only, with learned positions. The residual stream is made of blocks of coordinates, one-hot inside:

    token [V] | position [C] | previous [V] | output [V]

A text token is 1 in its token and its position block, so its length is known at every layer, and the scale of each norm
undoes the division exactly. Head 0 of each layer is the planted one; head 1 is idle: even attention, no output.
A row must not repeat a symbol within one copy. V vocabulary, C context.
"""

from pathlib import Path

import numpy as np

from jattn.config import ModelConfig
from jattn.model import init_parameters, parameter_shapes
from tests.configs import model_config
from train.config import RunConfig
from train.runs import Run
from train.tokenizers import Tokenizer

SHARP = 100.0  # score of what is attended to above all else: exp(-100) is nothing in float32
CERTAIN = 12.0  # logit of the foretold token above all others

Model = tuple[ModelConfig, dict[str, np.ndarray]]


def induction_circuit(vocab: int = 20, context: int = 32, *, null: bool = False) -> Model:
    """Two layers: 0.0 writes each token's previous one, 1.0 looks for the place whose previous token is the query's.

    It copies the token there: prefix matching and copying score 1. With a match the next token has the logit CERTAIN,
    all others 0. Without one, 1.0 rests: on position 1, whose token it then foretells (null=False), or on the null of
    layer 1, so that all logits are 0 (null=True). Loss on the second copy: log(1 + (V - 1) exp(-CERTAIN)); on the first
    CERTAIN + that without a null, log V with one.
    """
    config, p = _empty(vocab, context, 2, "standard,logit" if null else "standard")
    token, position, previous, output = _blocks(config)
    _previous_token_head(config, p, 0, target=previous)
    q, k, v, o = (_head(config, p, 1, name) for name in ("q", "k", "v", "out"))
    one = np.eye(vocab)
    q[token, :vocab] = SHARP * config.H**0.5 * one
    k[previous, :vocab], k[token, :vocab] = one, -one  # no token is its own successor: the query's own place is far
    if null:
        p["blocks.1.attention.null.logit"][:] = SHARP / 2, -SHARP
    else:
        k[position.start, :vocab] = 0.5  # position 1, whose "previous" is itself, so that the two above cancel
    v[token, :vocab] = one
    o[:vocab, output] = one
    p["head.kernel"][output] = CERTAIN * one
    _exact_norms(config, p, (2, 3), 4)
    return config, p


def previous_token_model(vocab: int = 20, context: int = 32) -> Model:
    """One layer: head 0.0 attends to the token before and makes it the next: CERTAIN on it, 0 on all others.

    The first query sees only itself. Previous-token score (T - 1) / T by TransformerLens's "mul".
    """
    config, p = _empty(vocab, context, 1, "standard")
    _, _, _, output = _blocks(config)
    _previous_token_head(config, p, 0, target=output)
    p["head.kernel"][output] = CERTAIN * np.eye(vocab)
    _exact_norms(config, p, (2,), 3)
    return config, p


def copying_model(vocab: int = 20, context: int = 32, *, sign: float = 1.0) -> Model:
    """One layer of even attention whose head 0.0 makes every token it sees likelier (sign 1) or less likely (-1).

    W_E W_OV W_U is sign x the identity, so its copying score is the sign exactly.
    """
    config, p = _empty(vocab, context, 1, "standard")
    token, _, _, output = _blocks(config)
    _head(config, p, 0, "v")[token, :vocab] = np.eye(vocab)
    _head(config, p, 0, "out")[:vocab, output] = sign * np.eye(vocab)
    p["head.kernel"][output] = np.eye(vocab)
    _exact_norms(config, p, (2,), 2)
    return config, p


def bigram_model(table: np.ndarray, context: int = 32) -> Model:
    """No layers: the logits after token a are log table[a], so the model is that bigram table [V V], exactly."""
    config, p = _empty(len(table), context, 0, "standard")
    p["head.kernel"][_blocks(config)[0]] = np.log(table)
    _exact_norms(config, p, (), 2)
    return config, p


def _empty(vocab: int, context: int, layers: int, attention: str) -> Model:
    """A model of that shape whose weights are all 0 but for the one-hot embedding of tokens and positions."""
    config = model_config(
        attention=attention,
        vocab_size=vocab,
        context=context,
        layers=layers,
        heads=2,
        width=3 * vocab + context,
        head_size=max(vocab, context),
        mlp__activation="none",
        positions="learned",
        norm__qk=False,
        output__tied=False,
    )
    p = {name: np.zeros(shape.shape, shape.dtype) for name, shape in parameter_shapes(config).items()}
    token, position, _, _ = _blocks(config)
    p["token_rows"][:, token], p["position_rows"][:, position] = np.eye(vocab), np.eye(context)
    return config, p


def _blocks(config: ModelConfig) -> tuple[slice, slice, slice, slice]:
    """The coordinates of token, position, previous and output."""
    V, C = config.vocab_size, config.context
    return slice(0, V), slice(V, V + C), slice(V + C, 2 * V + C), slice(2 * V + C, 3 * V + C)


def _head(config: ModelConfig, p: dict[str, np.ndarray], layer: int, name: str) -> np.ndarray:
    """A view of head 0's part of a projection."""
    kernel = p[f"blocks.{layer}.attention.{name}.kernel"]
    return kernel[: config.H] if name == "out" else kernel[:, : config.H]


def _previous_token_head(config: ModelConfig, p: dict[str, np.ndarray], layer: int, target: slice) -> None:
    """Head 0 attends to position t - 1 (the first to itself, all that it sees) and writes its token into `target`."""
    token, position, _, _ = _blocks(config)
    V, C = config.vocab_size, config.context
    _head(config, p, layer, "q")[position, :C] = SHARP * config.H**0.5 * np.eye(C, k=-1)
    _head(config, p, layer, "k")[position, :C] = np.eye(C)
    _head(config, p, layer, "v")[token, :V] = np.eye(V)
    _head(config, p, layer, "out")[:V, target] = np.eye(V)


def _exact_norms(config: ModelConfig, p: dict[str, np.ndarray], squares: tuple[float, ...], last: float) -> None:
    """Scales that undo each norm's division, given the squared length of the residual stream where it stands."""
    scale = lambda square: (square / config.width + config.norm.eps) ** 0.5
    for layer, square in enumerate(squares):
        p[f"blocks.{layer}.attention_norm.scale"][:] = scale(square)
    p["final_norm.scale"][:] = scale(last)


def byte_run(attention="standard", **changes):
    """A run that was never trained: random parameters, large enough for maps that differ, and bytes for tokens."""
    shape = {"layers": 2, "heads": 2, "width": 32, "context": 96, "vocab_size": 256, "init__std": 0.4}
    return run_of(model_config(attention=attention, **(shape | changes)), Tokenizer.train("byte", []))


def run_of(config: ModelConfig, tokenizer: Tokenizer | None = None, *, seed: int = 0, **parameters: np.ndarray) -> Run:
    """A run that was never trained: fresh parameters, some of them replaced."""
    meta = {"corpus": {"name": "none", "sha256": None}}
    if tokenizer is not None:
        meta |= {"tokenizer": tokenizer.to_json()}
    made = init_parameters(config, seed) | parameters
    return Run(Path("runs/made"), 0, RunConfig(preset="made", model=config), meta, made)
