"""When heads, sinks and nulls form: measures along the checkpoints of each run."""

import numpy as np

from analysis.capture.formation import MEASURES as FOLLOWED
from analysis.capture.formation import Formation, formation
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Results, Unfit
from analysis.chapters.formation_figures import formed
from analysis.elements import Element, Plot, Table
from analysis.measures.incontext import MIN_TOKENS
from train.folders import steps_of
from train.runs import Run
from train.windows import predicts_next

LEAST = 3  # checkpoints
TITLES = {
    "induction": "prefix matching of the best head",
    "previous": "previous-token share of the best head",
    "second_copy": "gain on the second copy",
    "icl": "in-context-learning score",
    "alpha_1": "alpha_1, mean over heads",
    "first_token_share": "first-token share, mean over heads",
    "null_share": "null share, mean over heads",
}
MEASURES = {f"{name}_onset": Measure(f"onset: {title}", "tokens seen", 0) for name, title in TITLES.items()}
MEASURES |= {"induction_peak": Measure("largest prefix matching of any head at any checkpoint", "0-1")}


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[Formation]:
    if "imported" in run.meta:
        raise Unfit("the model was not trained here: it has no checkpoints along the way")
    if not predicts_next(run.config.model):
        raise Unfit("the model predicts no next token, so it has no loss to follow")
    if (saved := len(steps_of(run.path))) < LEAST:
        raise Unfit(
            f"checkpoints of the run: {saved}, at least {LEAST} are needed; lower --save-every and raise --keep"
        )
    if reading.windows.shape[1] - 1 < MIN_TOKENS:
        raise Unfit(f"windows of {reading.windows.shape[1] - 1} tokens are too short, at least {MIN_TOKENS} are needed")
    curves = formation(run, reading.windows, progress)
    values = {f"{name}_onset": np.array([curves.onset(name)]) for name in TITLES}
    values["induction_peak"] = np.array([curves.values["induction"].max()])
    return Measurements(curves, values=values, chance={"induction_peak": curves.chance["induction"]})


def show(results: Results[Formation]) -> list[Element]:
    plot = Plot(
        "along-training",
        formed(results),
        "A line per run, a point per checkpoint; dotted: even attention, or no use of context. A ring marks the onset: "
        "the first checkpoint at which the measure has come half of the way from chance to where it ends. Where "
        "induction heads form, prefix matching rises and the second copy's loss falls at the same checkpoints.",
    )
    rows = []
    for group, measured in results.measured.items():
        for run, f in zip(results.runs[group], measured, strict=True):
            ends = [float(f.detail.values[name][-1]) for name in FOLLOWED]
            onsets = [_whole(f.detail.onset(name)) for name in TITLES]
            rows.append([group, run.config.seed, len(f.detail.steps), *onsets, *ends])
    table = Table(
        "onsets",
        "Tokens seen at each onset (empty: the measure did not form), and where each measure ends.",
        ["group", "seed", "checkpoints", *(f"onset: {t}" for t in TITLES.values()), *(f"last {n}" for n in FOLLOWED)],
        rows,
    )
    return [plot, table]


def _whole(tokens: float) -> int | None:
    return int(tokens) if np.isfinite(tokens) else None


CHAPTER = Chapter(
    name="formation",
    title="When heads form",
    lead="The same measures at every checkpoint of a run: the induction bump, the onset of the sink and of the null.",
    measures=MEASURES,
    read=read,
    show=show,
)
