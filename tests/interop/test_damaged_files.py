"""Files that are damaged, made up, or not what they say: one line, at once, and no memory to speak of.

The fuzz takes small valid files of both kinds and flips bytes, cuts them off, and writes extreme numbers over eight
bytes. Whatever comes out is InputError or a model of the right shapes.
"""

import importlib.util
import json
import resource
import struct
import tracemalloc
from functools import lru_cache

import numpy as np
import pytest

from jattn import interop
from jattn.errors import InputError
from jattn.model import parameter_shapes

needs_gguf = pytest.mark.skipif(
    importlib.util.find_spec("gguf") is None, reason="needs the library gguf: pip install 'jattn[gguf]'"
)
EXTREME = [0, 1, 255, 2**16, 2**31, 2**32 - 1, 2**40, 2**60, 2**62, 2**63, 2**64 - 1]
MB = 1 << 20


@pytest.fixture(autouse=True)
def little_memory():
    """A file has 0.3 MB and its model as much; what is beyond a few dozen MB would follow a number in the file."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 200 * MB


@lru_cache
def shapes(config):
    return {name: s.shape for name, s in parameter_shapes(config).items()}


def outcome(path):
    """The message that refuses a path, or None where it was read and every shape is right; anything else fails."""
    try:
        found = interop.read(path)
    except InputError as error:
        assert "\n" not in str(error) and 0 < len(str(error)) < 1000
        return str(error)
    assert {name: p.shape for name, p in found.parameters.items()} == shapes(found.config)
    return None


def refused(path):
    """The message, and that nothing was allocated for what the file claims (pages never touched count here too)."""
    tracemalloc.start()
    message = outcome(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message is not None and peak < 20 * MB
    return message


def damage(whole, draw, spans):
    """A copy with one thing wrong, mostly in one of the spans where the numbers are."""
    start, stop = spans[draw.integers(0, len(spans))] if draw.random() < 0.9 else (0, len(whole))
    where = int(draw.integers(start, stop))
    match draw.integers(0, 8):
        case 0:
            return whole[:where]
        case 1 | 2:
            return whole[:where] + bytes([whole[where] ^ 1 << int(draw.integers(0, 8))]) + whole[where + 1 :]
        case 3 | 4:
            return whole[:where] + draw.bytes(4) + whole[where + 4 :]
        case _:
            return whole[:where] + struct.pack("<Q", EXTREME[draw.integers(0, len(EXTREME))]) + whole[where + 8 :]


@needs_gguf
def test_a_damaged_gguf_is_refused_or_has_the_right_shapes(tiny, tmp_path):
    whole = tiny(layers=1).gguf(tmp_path / "whole.gguf").read_bytes()
    tokens, types, merges, first = (
        whole.index(mark) for mark in (b"ggml.tokens", b"ggml.token_type", b"ggml.merges", b"token_embd.weight")
    )
    file, draw = tmp_path / "m.gguf", np.random.default_rng(0)
    seen = []
    for _ in range(400):
        file.write_bytes(damage(whole, draw, [(0, tokens + 50), (types, types + 30), (merges, first + 600)]))
        seen.append(outcome(file))
    assert 0 < seen.count(None) < 100  # the file itself is good, and most damage is seen


def test_a_damaged_safetensors_is_refused_or_has_the_right_shapes(tiny, tmp_path):
    folder = tiny(layers=1).folder(tmp_path / "hf")
    file, draw = folder / "model.safetensors", np.random.default_rng(0)
    whole = file.read_bytes()
    header = 8 + struct.unpack_from("<Q", whole)[0]
    seen = []
    for _ in range(300):
        file.write_bytes(damage(whole, draw, [(0, 8), (0, header)]))
        seen.append(outcome(folder))
    assert 0 < seen.count(None) < 100


def test_a_damaged_config_is_refused_or_has_the_right_shapes(tiny, tmp_path):
    folder, draw = tiny(layers=1).folder(tmp_path / "hf"), np.random.default_rng(0)
    whole = (folder / "config.json").read_bytes()
    seen = []
    for _ in range(200):
        (folder / "config.json").write_bytes(damage(whole, draw, [(0, len(whole))]))
        seen.append(outcome(folder))
    assert seen.count(None) < 50


ODD = [True, -1, 0, 2**70, 10**4000, 1e999, float("nan"), "x\ny", "x" * 5000, [], [[1]], [[1], [1]], {}, {"a": {}}]
ROPE = [{"rope_type": [1]}, {"rope_type": "yarn"}, {"rope_type": "yarn", "factor": 0.0}, {"rope_type": "x\ny"}]
SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8, "intermediate_size": 96}


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral", "qwen2", "qwen3", "bert", "gpt_oss"])
def test_any_value_of_any_key_makes_a_config_or_one_line(kind):
    from jattn.interop.config_keys import Keys
    from jattn.interop.families import family_of

    family = family_of(kind, "c")
    base = {} if kind == "gpt2" else SIZES | {"vocab_size": 100}
    base |= {"num_key_value_heads": 4} if kind.startswith("qwen") else {}  # theirs is 32 where it is absent
    whole = Keys(base, "c")
    names = set(family.to_keys(family.config(whole, kind), kind)) | set(base) | {"unheard\nof", "rope_scaling"}
    for name in names:
        for odd in ODD + ROPE:
            keys = Keys(base | {name: odd}, "c")
            try:
                family.config(keys, kind)
                keys.done()
            except InputError as error:
                assert "\n" not in str(error) and len(str(error)) < 1000


def kv(key, kind, value=b""):
    return struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + value


def head(tensors=0, keys=0, version=3, magic=b"GGUF"):
    return magic + struct.pack("<IQQ", version, tensors, keys)


def tensor(name=b"output_norm.weight", shape=(64,), kind=0, start=0, axes=None):
    axes = len(shape) if axes is None else axes
    end = struct.pack(f"<{len(shape)}QIQ", *shape, kind, start)
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", axes) + end


ZEROS = bytes(4096)
MADE_UP = {
    "empty": (b"", "cannot be read"),
    "another kind of file": (b"PK\3\4" + ZEROS, "is no GGUF file"),
    "magic alone": (b"GGUF", "0 are left"),
    "version 1": (head(version=1) + ZEROS, "version 1 is not supported"),
    "version of the future": (head(version=4) + ZEROS, "version 4 is not supported"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + ZEROS, "big-endian"),
    "2^62 tensors": (head(2**62, 0) + ZEROS, "4,611,686,018,427,387,904 tensors"),
    "2^62 keys": (head(0, 2**62) + ZEROS, "4,611,686,018,427,387,904 keys"),
    "keys of zeros": (head(0, 100) + ZEROS, "is no name"),
    "name of 2^62 bytes": (head(0, 1) + struct.pack("<Q", 2**62) + ZEROS, "4,611,686,018,427,387,904"),
    "text of 2^62 bytes": (head(0, 1) + kv(b"a", 8, struct.pack("<Q", 2**62)) + ZEROS, "in a does not fit"),
    "text that is no UTF-8": (head(0, 1) + kv(b"a", 8, struct.pack("<Q", 1) + b"\xff") + ZEROS, "no UTF-8"),
    "name of two lines": (head(0, 1) + kv(b"a\nb", 4) + ZEROS, "is no name"),
    "value of type 99": (head(0, 1) + kv(b"a", 99) + ZEROS, "type 99"),
    "list of 2^60 numbers": (head(0, 1) + kv(b"a", 9, struct.pack("<IQ", 4, 2**60)) + ZEROS, "does not fit"),
    "list of 2^60 strings": (head(0, 1) + kv(b"a", 9, struct.pack("<IQ", 8, 2**60)) + ZEROS, "does not fit"),
    "list of numbers beyond the end": (head(0, 1) + kv(b"a", 9, struct.pack("<IQ", 12, 4000)) + ZEROS, "are left"),
    "list of lists": (head(0, 1) + kv(b"a", 9, struct.pack("<IQ", 9, 1)) + ZEROS, "array of type 9"),
    "key twice": (head(0, 2) + 2 * kv(b"a", 4, bytes(4)) + ZEROS, "stands there twice"),
    "tensor twice": (head(2, 0) + 2 * tensor() + ZEROS, "stands there twice"),
    "2^31 dimensions": (head(1, 0) + tensor(axes=2**31) + ZEROS, "dimensions, not 1 to 4"),
    "dimension of 2^60": (head(1, 0) + tensor(shape=(2**60,)) + ZEROS, "ends at byte"),
    "four dimensions of 2^63": (head(1, 0) + tensor(shape=(2**63,) * 4) + ZEROS, "ends at byte"),
    "dimension of 0": (head(1, 0) + tensor(shape=(64, 0)) + ZEROS, "has shape [0, 64]"),
    "half a block": (head(1, 0) + tensor(shape=(33,), kind=8) + ZEROS, "blocks of 32"),
    "tensor of type 99": (head(1, 0) + tensor(kind=99) + ZEROS, "is of type 99"),
    "data beyond the end": (head(1, 0) + tensor(start=8192) + ZEROS, "ends at byte"),
    "data at 2^63": (head(1, 0) + tensor(start=2**63) + ZEROS, "ends at byte"),
    "data between the steps": (head(1, 0) + tensor(start=4) + ZEROS, "starts at byte"),
    "data over data": (head(2, 0) + tensor() + tensor(b"b") + ZEROS, "inside"),
    "steps of 3": (head(0, 1) + kv(b"general.alignment", 4, struct.pack("<I", 3)) + ZEROS, "power of two"),
    "no architecture": (head(0, 0) + ZEROS, "tokenizer.ggml.tokens"),
}


@needs_gguf
@pytest.mark.parametrize("name", MADE_UP)
def test_a_gguf_that_is_made_up_is_refused_at_once(tmp_path, name):
    content, said = MADE_UP[name]
    file = tmp_path / "m.gguf"
    file.write_bytes(content)
    assert said in refused(file)


@needs_gguf
def test_a_gguf_that_is_missing_or_a_folder_is_refused(tmp_path):
    assert "does not exist" in refused(tmp_path / "none.gguf")
    (tmp_path / "folder.gguf").mkdir()
    assert "cannot be read" in refused(tmp_path / "folder.gguf")


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def one(shape, start=0, stop=256, kind="F32", name="model.norm.weight"):
    return {name: {"dtype": kind, "shape": shape, "data_offsets": [start, stop]}}


DAMAGED = {
    "empty": (b"", "cannot be read"),
    "no header": (safetensors(b"", length=0), "cannot be read"),
    "header of 2^62 bytes": (safetensors({}, length=2**62), "cannot be read"),
    "header beyond the end": (safetensors({}, length=1000), "cannot be read"),
    "header that is no JSON": (safetensors(b"{" * 50), "cannot be read"),
    "header of a thousand levels": (safetensors(b'{"a":' * 1000), "cannot be read"),
    "dimension of 2^60": (safetensors(one([2**60]), bytes(256)), "cannot be read"),
    "dimensions whose product is 2^64": (safetensors(one([2**32, 2**32], 0, 0)), "cannot be read"),
    "data beyond the end": (safetensors(one([64], 0, 256), bytes(100)), "cannot be read"),
    "data at 2^62": (safetensors(one([64], 2**62, 2**62 + 256), bytes(256)), "cannot be read"),
    "data that ends before it starts": (safetensors(one([64], 256, 0), bytes(256)), "cannot be read"),
    "whole numbers": (safetensors(one([64], 0, 64, "I8"), bytes(64)), "stored as I8"),
    "a name of two lines": (safetensors(one([64], name="a\nb"), bytes(256)), "is no name of an array"),
    "nothing": (safetensors({}), "arrays found"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_safetensors_that_is_made_up_is_refused_at_once(tiny, tmp_path, name):
    content, said = DAMAGED[name]
    folder = tiny(layers=1).folder(tmp_path / "hf")
    (folder / "model.safetensors").write_bytes(content)
    assert said in refused(folder)


def changed(name):
    """What is wrong with the arrays, and what the message must say."""

    def change(arrays):
        norm = "model.norm.weight"
        match name:
            case "missing":
                del arrays[norm]
                return f"{norm} is missing"
            case "extra":
                arrays["model.layers.0.self_attn.q_norm.weight"] = np.ones(16, np.float32)
                return "model.layers.0.self_attn.q_norm.weight is not known"
            case "wrong shape":
                arrays[norm] = np.ones(63, np.float32)
                return f"{norm} has shape [63], the config makes it [64]"
            case "not finite":
                arrays[norm] = np.full(64, np.nan, np.float32)
                return f"{norm} holds a value that is not finite"
            case "not finite in float32":
                arrays[norm] = np.full(64, 1e300)
                return f"{norm} holds a value that is not finite"

    return change


@pytest.mark.parametrize("name", ["missing", "extra", "wrong shape", "not finite", "not finite in float32"])
def test_arrays_that_do_not_fit_are_named(tiny, tmp_path, name):
    model = tiny(layers=1)
    said = changed(name)(model.arrays)
    assert said in refused(model.folder(tmp_path / "hf"))


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"model_type": "mamba"}, "model_type 'mamba' is not supported; supported: gpt2, llama"),
        ({"attention_multiplier": 0.5}, "'attention_multiplier' = 0.5 is not known"),
        ({"quantization_config": {"bits": 4}}, "'quantization_config' = {'bits': 4} is not supported"),
        ({"num_hidden_layers": 1_000_000}, "the config asks for 1,000,000 layers"),
        ({"num_hidden_layers": 10**12}, "a size must be from 1 to"),
        ({"vocab_size": 1 << 24, "intermediate_size": 1 << 24}, "has shape"),
        ({"hidden_size": None}, "'hidden_size' is missing"),
        ({"hidden_size": "64"}, "'hidden_size' must be int, got '64'"),
    ],
)
def test_a_config_that_is_not_supported_is_refused_by_name(tiny, tmp_path, keys, said):
    assert said in refused(tiny(layers=1).folder(tmp_path / "hf", **keys))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"model_type": ["llama"]}', "\xff"])
def test_a_config_that_is_no_config_is_refused(tiny, tmp_path, text):
    folder = tiny(layers=1).folder(tmp_path / "hf")
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    assert "config.json" in refused(folder)


def test_pickles_are_refused_with_the_way_out(tiny, tmp_path):
    folder = tiny(layers=1).folder(tmp_path / "hf")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    message = refused(folder)
    assert "pytorch_model.bin is a pickle" in message and "safe_serialization=True" in message


def test_a_missing_tokenizer_is_refused_by_name(tiny, tmp_path):
    folder = tiny(layers=1).folder(tmp_path / "hf")
    (folder / "tokenizer.json").unlink()
    assert "there is no tokenizer.json" in refused(folder)
    (folder / "tokenizer.model").write_bytes(b"")
    assert "tokenizer.model alone is not read" in refused(folder)


@pytest.mark.parametrize(
    "index, said",
    [
        ({"weight_map": {"a": "../model.safetensors"}}, "only safetensors files beside it"),
        ({"weight_map": {"a": "weights.bin"}}, "only safetensors files beside it"),
        ({"weight_map": {"a": "other.safetensors"}}, "other.safetensors is missing"),
        ({"weight_map": {"a": ["x"]}}, "is no index"),
        ({"weight_map": {"a": 1}}, "names 1"),
        ({"weight_map": [1]}, "is no index"),
        ([], "is no index"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(tiny, tmp_path, index, said):
    folder = tiny(layers=1).folder(tmp_path / "hf")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert said in refused(folder)
