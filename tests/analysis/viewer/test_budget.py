"""What a page has room for: exact while small, then 8 bits, then fewer maps, and the notes say so."""

import numpy as np
import pytest

from analysis.viewer import budget
from analysis.viewer.budget import MB, leading, plan
from analysis.viewer.layer import Vectors
from analysis.viewer.statistics import Measured
from jattn.errors import InputError
from tests.analysis.viewer.conftest import made


def vectors(side, T, H):
    return {head: Vectors(np.ones((T, H)), np.ones((T, H))) for head in side.heads}


def test_small_pages_are_exact_and_large_ones_are_not(monkeypatch):
    side = made(L=2, N=2, T=40)
    assert plan([side], [], "auto", 25 * MB).bits == 16
    monkeypatch.setattr(budget, "EXACT", 130_000.0)
    assert plan([side], [], "auto", 25 * MB).bits == 8
    assert plan([side], [], "exact", 25 * MB).bits == 16
    assert plan([side], [], "display", 25 * MB).bits == 8


def test_the_estimate_is_near_what_is_written():
    from analysis.viewer.show import draw
    from tests.analysis.viewer.conftest import Read

    side = made(L=3, N=4, T=96, null=True)
    sizes = budget._map_sizes([side], 8)
    page = Read(draw([side], precision="display"))
    written = sum(h["map"][1] for layer in page.sides[0]["layers"] for h in layer["heads"])
    assert abs(sum(sizes.values()) / written - 1) < 0.1


def test_over_the_limit_the_chosen_heads_keep_their_maps_and_it_is_said():
    side = made(L=3, N=4, T=60)
    sizes, fixed = budget._map_sizes([side], 8), budget.smallest([side])
    chosen = [(0, 2, 3), (0, 1, 1)]
    found = plan([side], chosen, "auto", fixed + 3.5 * max(sizes.values()))
    assert found.bits == 8 and found.maps is not None
    assert set(chosen) <= found.maps and len(found.maps) in (3, 4)
    rounded, note = found.notes
    assert "rounded to 8 bits" in rounded
    assert note.startswith(f"Left out: the maps of {12 - len(found.maps)} of 12 heads")


def test_a_limit_of_the_thumbnails_leaves_no_map_and_a_smaller_one_is_refused():
    least = budget.smallest([made()])
    assert plan([made()], [(0, 0, 0)], "auto", least).maps == frozenset()
    with pytest.raises(InputError, match=r"limit_mb: .* is too small"):
        plan([made()], [(0, 0, 0)], "auto", least - 1)


def test_a_page_within_the_limit_leaves_nothing_out_and_says_nothing():
    found = plan([made()], [(0, 0, 0)], "auto", 25 * MB)
    assert found.maps is None and found.notes == [] and found.vectors == ()


@pytest.mark.parametrize(("H", "bits", "kept"), [(8, 32, 4), (6000, 16, 4), (12_000, 16, 3)])
def test_queries_and_keys_get_shorter_and_then_fewer(H, bits, kept):
    side = made(L=1, N=4, T=8)
    side = type(side)(**{**side.__dict__, "vectors": vectors(side, 8, H)})
    found = plan([side], [(0, 0, n) for n in range(4)], "auto", 25 * MB)
    assert (found.vector_bits, len(found.vectors)) == (bits, kept)
    assert any("half precision" in note for note in found.notes) == (bits == 16)
    assert any("Left out" in note for note in found.notes) == (kept < 4)


def test_the_leading_head_of_each_class_is_the_one_that_is_most_of_it():
    names = lambda *kinds: np.array(kinds)
    layers = [
        Measured({}, names("sink", "local"), np.array([0.6, 0.9])),
        Measured({}, names("sink", "self", "local"), np.array([0.8, 0.7, 0.1])),
    ]
    assert leading(layers) == [(1, 0), (1, 1), (0, 1)], "sink, self, local: the order of the classes"
