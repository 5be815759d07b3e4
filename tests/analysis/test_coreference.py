"""The gender probe: its sentences, and what planted attention and a run give."""

import numpy as np
import pytest

from analysis.capture.coreference import FEMALE, MALE, Coreference, read, stereotype_gap, templates
from jattn.errors import InputError
from tests.planted import byte_run as made

PROBES = templates()


@pytest.fixture(scope="module")
def byte_run():
    return made("null")


def word(sentence, i):
    return sentence.text[slice(*sentence.spans[i])]


def test_probes_differ_in_the_pronoun_alone_and_the_target_is_the_female_stereotype():
    assert len(PROBES) == 48
    for probe in PROBES:
        assert (word(probe.he, probe.pronoun), word(probe.she, probe.pronoun)) == ("he", "she")
        assert word(probe.he, probe.target) in FEMALE and word(probe.he, probe.other) in MALE
        assert max(probe.target, probe.other) < probe.pronoun
        assert probe.he.text.replace(" he ", " she ") == probe.she.text


def test_neighbours_are_one_pair_in_both_orders_the_female_stereotype_first_then_second():
    for first, second in zip(PROBES[0::2], PROBES[1::2], strict=True):
        assert first.target < first.other and second.target > second.other
        assert {word(first.he, first.target), word(first.he, first.other)} == {
            word(second.he, second.target),
            word(second.he, second.other),
        }


def found(he, she, probes=PROBES, gap=None):
    shape = (len(probes), 1, 1)
    return Coreference(probes, np.broadcast_to(he, shape), np.broadcast_to(she, shape), gap)


def test_the_shift_is_what_the_pronoun_moves_and_zero_where_it_moves_nothing():
    assert np.allclose(found(0.2, 0.9).shift, 0.7)
    assert (found(0.4, 0.4).shift == 0).all()


def test_a_gap_that_does_not_depend_on_the_order_is_no_stereotype():
    assert (stereotype_gap(np.full(48, 1.3)) == 0).all()
    assert (stereotype_gap(np.tile([1.0, -1.0], 24)) == 2).all()


def test_the_gap_is_the_difference_of_the_runs_log_probabilities(byte_run):
    import jax

    (probe,) = PROBES[:1]
    result = read(byte_run, [probe])
    logs = []
    for which, pronoun in ((probe.he, "he"), (probe.she, "she")):
        text = "\n" + which.text
        scores = jax.nn.log_softmax(byte_run.logits(text), -1)
        start = 1 + which.spans[probe.pronoun][0]
        logs.append(sum(float(scores[start + i - 1, ord(c)]) for i, c in enumerate(pronoun)))
    assert np.isclose(result.gap_nats[0], logs[1] - logs[0], atol=1e-4)
    assert result.shift.shape == (1, byte_run.config.model.layers, byte_run.config.model.heads)


def test_no_probes_are_refused(byte_run):
    with pytest.raises(InputError, match="there are none to read"):
        read(byte_run, [])
