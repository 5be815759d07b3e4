"""A few of a comparison's windows, for measures that run the model several times or keep much of what they see.

How many depends on the size of the model alone, never on its attention, so that the runs of a comparison read the same.
"""

import numpy as np

from jattn.config import ModelConfig
from train.evaluate import evenly
from train.windows import predicts_next

MOST, LEAST = 64, 8  # windows
OPERATIONS = 2e11  # of one pass through the model, about
LOGITS = 1e8  # numbers at a time


def few(windows: np.ndarray, config: ModelConfig, most: int = MOST) -> np.ndarray:
    """Evenly spaced windows, [W, columns]: a power of two from 8 to `most`, all there are if they are fewer.

    As many as one pass reads in 2e11 operations and 1e8 logits: SmolLM2 of 135M parameters reads 8 of 128 tokens.
    """
    matrices = config.layers * config.width * (4 * config.heads * config.H + 3 * config.F)
    cost = 2 * windows.shape[1] * (matrices + config.vocab_size * config.width)
    room = min(OPERATIONS / cost, LOGITS / (windows.shape[1] * config.vocab_size))
    count = 2 ** int(np.log2(np.clip(room, LEAST, most)))
    return evenly(windows, count)


def inputs_of(windows: np.ndarray, config: ModelConfig) -> np.ndarray:
    """What the model reads of them: without the last token, which is only a target, if it predicts the next."""
    return windows[:, :-1] if predicts_next(config) else windows
