"""Side effects of where attention parks: outliers of the residual stream, the price of int8, a cache that forgets, and
what the attention costs in parameters. Measures: outliers.py, int8.py, streaming.py. Figures: side_effects_figures.py.
"""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
from jaxtyping import Array

from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Unfit
from analysis.chapters.side_effects_figures import Detail, show
from analysis.interventions import int8, streaming
from analysis.measures import outliers
from analysis.texts.sample import few, inputs_of
from jattn.config import ModelConfig
from jattn.model import Parameters, assemble, count_parameters
from jattn.taps import Seen
from train.runs import Run
from train.windows import predicts_next

INITIAL = (0, 1, 4)  # keys at the start that a cache keeps (StreamingLLM, table 3, without 2)
CACHE_SHARE, LEAST_CACHE = 4, 8  # a cache holds a quarter of the text, at least 8 keys

_SITES = {"": ("resid_post", "residual stream"), "_attention": ("attn_out", "what attention adds")}
_INT8 = {"weights": "weights", "activations": "activations", "both": "weights and activations"}
MEASURES = (
    {f"kurtosis{s}": Measure(f"Kurtosis, {name}", "Gaussian 3", 1) for s, (_, name) in _SITES.items()}
    | {f"infinity_norm{s}": Measure(f"Infinity norm, {name}", "largest entry", 2) for s, (_, name) in _SITES.items()}
    | {
        f"max_infinity_norm{s}": Measure(f"Infinity norm of the layer where it is largest, {name}", "largest entry", 2)
        for s, (_, name) in _SITES.items()
    }
    | {f"int8_{k}": Measure(f"Loss added by int8 {name}", "nats", 4) for k, name in _INT8.items()}
    | {f"cache_{s}": Measure(f"Loss added by a short cache, {s} initial tokens kept", "nats", 4) for s in INITIAL}
    | {
        f"cache_{s}_no_null": Measure(f"Loss added by a short cache without the null, {s} initial kept", "nats", 4)
        for s in INITIAL
    }
    | {
        "no_null": Measure("Loss added by evicting the null alone", "nats", 4),
        "parameters_added": Measure("Parameters added by the attention", "parameters", 0),
        "parameters_added_share": Measure("Parameters added by the attention, of all others", "0-1", 6),
    }
)


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[Detail]:
    """All that applies to the model: no losses where no next token is predicted, no int8 with experts, no cache with
    sigmoid attention or a text too short."""
    config = run.config.model
    if config.layers == 0:
        raise Unfit("a model without layers has no attention")
    windows = few(reading.windows, config)
    cached = _cached(config, inputs_of(windows, config).shape[1])
    tasks = 2 + len(cached)
    layers = {
        n: np.asarray(a, np.float64).T for n, a in _step(config, run.parameters, inputs_of(windows, config)).items()
    }
    progress(1, tasks)
    values = {}
    for suffix in _SITES:
        norms = layers[f"infinity_norm{suffix}"]
        values[f"max_infinity_norm{suffix}"] = norms[:, norms.mean(0).argmax()]
    added = parameters_added(config)
    share = added / (count_parameters(config) - added)
    values |= {"parameters_added": np.array([added]), "parameters_added_share": np.array([share])}
    loss = late = None
    if predicts_next(config) and not config.mlp.experts:
        quantised = int8.losses(config, run.parameters, windows, _others(reading.windows, windows))
        values |= {f"int8_{name}": quantised[name] - quantised["full"] for name in _INT8}
        loss = float(quantised["full"].mean())
    progress(2, tasks)
    whole = None
    for i, (name, cache, keep) in enumerate(cached):
        losses = streaming.cached_losses(config, run.parameters, windows, *cache, keep_null=keep)
        late_losses = losses[:, _cache(losses.shape[1]) :].mean(-1)
        if whole is None:
            whole, late = late_losses, float(late_losses.mean())
        else:
            values[name] = late_losses - whole
        progress(3 + i, tasks)
    kept = {n: layers.pop(n).mean(0) for n in ("residual_max_over_median", "residual_norm_ratio")}
    size = _cache(inputs_of(windows, config).shape[1]) if cached else 0
    return Measurements(Detail(loss, late, size, kept), layers=layers, values=values)


def parameters_added(config: ModelConfig) -> int:
    """Parameters that the model has more than the same one with standard attention."""
    return count_parameters(config) - count_parameters(replace(config, attention="standard"))


def _cache(T: int) -> int:
    return max(LEAST_CACHE, T // CACHE_SHARE)


def _cached(config: ModelConfig, T: int) -> list[tuple[str, tuple[int, ...], bool]]:
    """(measure, (initial, recent), whether the null is kept) of every cache to try, the whole text first."""
    if not predicts_next(config) or any(layer.sigmoid for layer in config.pattern) or _cache(T) >= T:
        return []
    nulls = {"": True, "_no_null": False} if config.has_null else {"": True}
    tried = [(f"cache_{s}{suffix}", (s, _cache(T) - s), keep) for s in INITIAL for suffix, keep in nulls.items()]
    return [("", (), True), *([("no_null", (), False)] if len(nulls) > 1 else []), *tried]


def _others(windows: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """As many windows for calibration, none of those measured; the same ones where there are no others."""
    taken = {row.tobytes() for row in measured}
    rest = [row for row in windows if row.tobytes() not in taken]
    if not rest:
        return measured
    at = np.linspace(0, len(rest) - 1, len(measured)).round().astype(int)
    return np.stack(rest)[at]


@partial(jax.jit, static_argnums=0)
def _step(config: ModelConfig, parameters: Parameters, tokens: Array):
    def observe(seen: Seen):
        values = {
            "residual_max_over_median": outliers.max_over_median(seen["resid_post"]),
            "residual_norm_ratio": outliers.residual_norm_ratio(seen["resid_post"]),
        }
        for suffix, (site, _) in _SITES.items():
            values[f"kurtosis{suffix}"] = outliers.kurtosis(seen[site])
            values[f"infinity_norm{suffix}"] = outliers.infinity_norm(seen[site])
        return values

    return assemble(config, parameters)(tokens, observe=observe)[1]


CHAPTER = Chapter(
    "side_effects",
    "Side effects",
    "What a sink on a token is said to cost and a null to save: outliers in the residual stream, loss under int8, a "
    "cache that must keep the first tokens.",
    MEASURES,
    read,
    show,
)
