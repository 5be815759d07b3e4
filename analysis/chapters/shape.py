"""Shape of attention where it takes queries, keys or several texts to see: variability, cosines, decay of q . k.

What a row of attention alone tells (entropy, distance, keys that hold 90 %) is streamed over the whole text instead.
Measures: structure.py and decay.py. Figures: analysis/chapters/shape_figures.py.
"""

from functools import partial

import jax
import numpy as np
from jaxtyping import Array

from analysis.capture.layers import attention_of, layers_with_null
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Unfit
from analysis.chapters.shape_figures import Curves, show
from analysis.measures import decay, structure
from analysis.texts.sample import few, inputs_of
from jattn.config import ModelConfig
from jattn.model import Parameters, assemble
from jattn.taps import Seen
from train.runs import Run

FIRST = 10  # positions whose queries are compared across texts (Vig and Belinkov 2019)
LEAST_TOKENS = 12

MEASURES = {
    "variability": Measure("Variability across texts, real attention", "0 position - 1 content"),
    "variability_with_null": Measure("Variability across texts, the null as one outcome", "0 position - 1 content"),
    "query_cosine_tokens": Measure("Cosine of a head's queries, tokens of a text", "-1 to 1"),
    "query_cosine_texts": Measure("Cosine of a head's queries, same position of other texts", "-1 to 1"),
    "decay_correlation": Measure("Rank correlation of q·k with distance", "-1 to 1"),
    "decaying_dimensions": Measure("Share of dimensions that decay with distance", "0-1"),
}


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[Curves]:
    """The measures of a few texts; see `sample.few` for how many."""
    config = run.config.model
    if config.layers == 0:
        raise Unfit("a model without layers has no attention")
    tokens = inputs_of(few(reading.windows, config), config)
    W, T = tokens.shape
    if W < 2 or T < LEAST_TOKENS:
        raise Unfit(f"shape needs two texts of at least {LEAST_TOKENS} tokens, got {W} of {T}")
    seen = {name: np.asarray(a, np.float64) for name, a in _step(config, T // 2, run.parameters, tokens).items()}
    progress(1, 1)
    null = layers_with_null(config)[:, None, None, None]
    weights, nulls = seen["weights"], seen["null"]  # [L, W, N, P, T] and without T
    filtered = weights * np.where(null[..., None], 1, np.arange(T) > 0), nulls + np.where(null, 0, weights[..., 0])
    whole = np.concatenate([nulls[..., None], weights], -1)
    reach = [_reach(config, layer, T // 2) for layer in range(config.layers)]
    L, N, H = config.layers, config.heads, config.H
    curves = tuple(seen["products"][i][..., : reach[i]] for i in range(L))
    correlation, dimensions = np.full((W, L, N), np.nan), np.full((1, L, N), np.nan)
    for i in (i for i in range(L) if reach[i] >= 4):
        correlation[:, i] = decay.rank_correlation(seen["whole"][i][..., : reach[i]])
        dimensions[0, i] = [len(decay.decaying_dimensions(head)) / H for head in curves[i]]
    heads = {
        "variability": _variability(*filtered),
        "variability_with_null": _variability(whole, np.zeros_like(nulls)),
        "query_cosine_tokens": seen["tokens"].swapaxes(0, 1),
        "query_cosine_texts": seen["texts"].swapaxes(0, 1),
        "decay_correlation": correlation,
        "decaying_dimensions": dimensions,
    }
    return Measurements(Curves(curves), heads, chance=dict.fromkeys(heads, 0.0))


def _variability(weights: np.ndarray, nulls: np.ndarray):
    return structure.variability(weights.swapaxes(0, 1), nulls.swapaxes(0, 1))


def _reach(config: ModelConfig, layer: int, most: int) -> int:
    """How many distances (0, 1, ...) count in a layer: up to half the text, and no farther than it sees."""
    window = config.layer(layer).window
    return min(most + 1, window or most + 1)


@partial(jax.jit, static_argnums=(0, 1))
def _step(config: ModelConfig, most: int, parameters: Parameters, tokens: Array):
    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        products = decay.products_by_distance(*seen.rotated(), most) * config.H**-0.5
        return {
            "weights": weights[:, :, :FIRST],
            "null": null[:, :, :FIRST],
            "products": products.mean(0),
            "whole": products.sum(2),
            "tokens": structure.cosine_across_tokens(seen["q"]),
            "texts": structure.cosine_across_inputs(seen["q"]),
        }

    return assemble(config, parameters)(tokens, observe=observe)[1]


CHAPTER = Chapter(
    "shape",
    "Shape: position or content",
    "Whether a head goes by where tokens stand or by what they are: how its map changes from text to text, how alike "
    "its queries are, and whether q · k falls with distance by itself.",
    MEASURES,
    read,
    show,
)
