"""One seam to see and to change what happens inside: named sites, `observe`, `edit` and `attend`.

    model(tokens, observe=f)   f(seen) -> a small pytree per layer, reduced inside the layer; stacked over layers
    model(tokens, edit=g)      g(site, array, layer) -> array, at every site of every layer
    model(tokens, attend=h)    h(q, k, v, mask=, score=, implementation=) -> Partial, the attention over the real keys
                               of every layer in place of `jattn.attend`; q and k are rotated, the null comes after

All are static and absent by default; the compiled program is then unchanged. `layer` is a Python int where layers are
written out and a traced integer where they are scanned: compare it with jnp.where, and both work.

    resid_pre   B T D    the residual stream as the layer gets it
    attn_in     B T D    what q, k, v and the gate are projected from: resid_pre, after its norm if that is before
    q           B T N H  queries (after QK-norm, before rotation)
    k, v        B T K H  keys (the same) and values
    s_null      B T N    score of the null; -inf where the layer has none
    v_null      N H      value of the null; 0 where the layer has none (an edit may return B T N H)
    lse         B T N    log-normaliser of the real keys
    z           B T N H  the heads' outputs, as the output projection gets them (after value bias and gate)
    attn_out    B T D    what attention adds
    resid_mid   B T D
    mlp_in      B T D    what the MLP reads: resid_mid, after its norm if that is before
    mlp_hidden  B T F    what the MLP's last projection reads (B T E F: one for each of E experts)
    mlp_out     B T D    what the MLP adds
    resid_post  B T D
A layer without an MLP shows zeros at its sites. A sink token's own row is in none of these; its key and value are the
null's. It runs through the same projections, and what they read of it are sites of models with a sink token:

    sink_attn_in, sink_mlp_in  1 1 D        sink_z  1 1 N H        sink_mlp_hidden  1 1 F
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Float

from jattn.errors import one_of
from jattn.nulls import null_mass
from jattn.partial import Partial

SITES = (
    *("resid_pre", "attn_in", "q", "k", "v", "s_null", "v_null", "lse", "z", "attn_out"),
    *("resid_mid", "mlp_in", "mlp_hidden", "mlp_out", "resid_post"),
)
SINK_SITES = ("sink_attn_in", "sink_z", "sink_mlp_in", "sink_mlp_hidden")

Edit = Callable[[str, Array, Any], Array]
Attend = Callable[..., Partial]


@dataclass(frozen=True)
class Seen:
    """What one layer shows: `seen["z"]`, `seen.null_mass`, `seen.weights(start, size)`, `seen.rotated()`,
    `seen.layer`."""

    layer: Any
    arrays: dict[str, Array]
    _weights: Callable[[int, int], Array]
    _rotated: tuple[Array, Array]

    def __getitem__(self, site: str) -> Array:
        return self.arrays[one_of("site", site, self.arrays)]

    @property
    def null_mass(self) -> Float[Array, "B T N"]:
        """Share of each query's attention that goes to the null; 0 where the layer has none."""
        return null_mass(self["lse"], self["s_null"])

    def weights(self, start: int = 0, size: int | None = None) -> Float[Array, "B N t S"]:
        """Attention of the queries start..start+size on the real keys; rows sum to 1 - null mass.

        Some queries at a time keep a long text's T x S matrix out of memory.
        """
        return self._weights(start, self["lse"].shape[1] - start if size is None else size)

    def rotated(self) -> tuple[Float[Array, "B T N H"], Float[Array, "B T K H"]]:
        """Queries and keys as they meet: after rotation, the sites q and k where positions do not rotate.

        scale q . k of these, capped and lowered by ALiBi where the model has that, is the score.
        """
        return self._rotated


Observe = Callable[[Seen], Any]


class Tap:
    """Collects the sites of one layer for `observe`, and passes each through `edit` on its way."""

    def __init__(self, layer: Any, observe: Observe | None, edit: Edit | None):
        self.layer, self.observe, self.edit = layer, observe, edit
        self.arrays: dict[str, Array] = {}
        self.weights: Callable[[int, int], Array] | None = None
        self.rotated: tuple[Array, Array] | None = None

    def __call__(self, site: str, array: Array) -> Array:
        if self.edit is not None:
            array = self.edit(site, array, self.layer)
        if self.observe is not None:
            self.arrays[site] = array
        return array

    @property
    def active(self) -> bool:
        return self.observe is not None or self.edit is not None

    def observed(self) -> Any:
        """What `observe` makes of the layer; None without one."""
        if self.observe is None:
            return None
        assert self.weights is not None and self.rotated is not None, "the attention layer sets both"
        return self.observe(Seen(self.layer, self.arrays, self.weights, self.rotated))


def at(site: str, change: Callable[[Array], Array], layer: int | None = None) -> Edit:
    """The edit that applies `change` at one site, in one layer or in all.

    at("z", lambda z: z.at[:, :, 3].set(0), layer=2) silences head 3 of layer 2 (both counted from 0).
    """
    one_of("site", site, (*SITES, *SINK_SITES))

    def edit(name: str, array: Array, index: Any) -> Array:
        if name != site:
            return array
        changed = change(array)
        return changed if layer is None else jax.numpy.where(index == layer, changed, array)

    return edit
