"""The vectors that the page's functions are tested with are still what the codec and the kernels give."""

import json
from base64 import b64decode
from pathlib import Path

import numpy as np

import analysis.viewer
from analysis.viewer import codec
from analysis.viewer.codec import Coding

FILE = Path(analysis.viewer.__file__).parent / "web" / "test" / "golden.json"
GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))


def test_packed_maps_are_what_the_codec_reads():
    for case in GOLDEN["maps"]:
        coding = Coding(case["coding"]["bits"], case["coding"]["shape"], case["window"])
        found = codec.unpack(b64decode(case["blob"]), coding, case["T"], case["S"])
        np.testing.assert_array_equal(found.ravel(), np.array(case["values"], np.float32))


def test_transformed_rows_sum_to_what_their_control_says():
    for case in GOLDEN["transformed"]:
        expect = case["expect"]
        rows = np.array(expect["weights"]).reshape(case["T"], case["S"]).sum(-1)
        whole = rows + (0 if expect["nulls"] is None else np.array(expect["nulls"]))
        drawn = (np.array(expect["hatched"]) == 0) & (np.array(case["queries"]) == 1)
        if case["filtered"] == "renormalise":
            np.testing.assert_allclose(whole[drawn], 1, atol=1e-6)
        assert (rows[~drawn] == 0).all() and (whole <= 1 + 1e-6).all()


def test_stages_end_in_rows_that_sum_to_one_with_their_null():
    for case in GOLDEN["stages"]:
        if case["neuron"]["normaliser"] != "sigmoid":
            expect = case["expect"]
            rows = np.array(expect["softmax"]).reshape(case["T"], case["S"]).sum(-1)
            np.testing.assert_allclose(rows + np.array(expect["null_weight"] or 0.0), 1, atol=1e-6)
