"""A run: a trained model with its config, its tokenizer, and what was known when it was saved. What all else takes.

`train/checkpoint.py` reads and writes it; nothing heavy is imported before the model is asked for.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.config import RunConfig

if TYPE_CHECKING:
    from jattn.model import Transformer
    from train.tokenizers import Tokenizer


@dataclass(frozen=True)
class Run:
    """A trained model with what it needs: `run.model(tokens)`, `run.tokenizer`, `run.config`, `run.meta`."""

    path: Path
    step: int
    config: RunConfig
    meta: dict[str, Any]
    parameters: dict[str, Any]

    def __repr__(self) -> str:
        size = sum(array.size for array in self.parameters.values())
        told = f"{self.config.name}, attention {self.config.model.attention!r}, {size:,} parameters"
        return f"Run({str(self.path)!r}, step {self.step:,}: {told})"

    @cached_property
    def model(self) -> "Transformer":
        """The model, called as model(tokens [B, T]) -> logits [B, T, V]."""
        from jattn.model import assemble

        return assemble(self.config.model, self.parameters)

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """The tokenizer that the run was trained with."""
        from train.tokenizers import Tokenizer

        return Tokenizer.from_json(self.meta["tokenizer"])

    @property
    def special_tokens(self) -> dict[str, Any]:
        """Special tokens and chat template of a model of another library (interop/special_tokens.py); else empty."""
        return self.meta.get("special", {})

    @property
    def ends(self) -> tuple[int, ...]:
        """Ids at which a text of the model ends; none for a model trained here, whose texts have no end."""
        from jattn.interop.special_tokens import ends_of

        return ends_of(self.special_tokens, self.tokenizer.vocab_size)

    def encode(self, text: str) -> Any:
        """Token ids [1, T] of a text, with what stands around every text of the run: a fixed first token, [CLS]."""
        import jax.numpy as jnp
        import numpy as np

        before, after = self.tokenizer.frame
        after = () if self.config.model.causal else after  # nothing goes on after an end of text
        return jnp.asarray(np.concatenate([before, self.tokenizer.encode(text), after]), jnp.int32)[None]

    def logits(self, text: str) -> Any:
        """Logits [T, V] of the next token after each token of a text."""
        return self._compiled(self.model, self.encode(text), attention=False)[0]

    def attention(self, text: str) -> Any:
        """Attention [L, N, T, 1 + T] of a text: column 0 is the null (0 where a layer has none), then the tokens."""
        return self._compiled(self.model, self.encode(text), attention=True)[:, 0]

    @cached_property
    def _compiled(self) -> Any:
        """Logits or attention of tokens, compiled once per length: much faster than one operation at a time."""
        import jax
        import jax.numpy as jnp

        def observe(seen: Any):
            return jnp.concatenate([seen.null_mass.swapaxes(1, 2)[..., None], seen.weights()], -1)

        def call(model: Any, tokens: Any, attention: bool):
            return model(tokens, observe=observe)[1] if attention else model(tokens)

        return jax.jit(call, static_argnames="attention")
