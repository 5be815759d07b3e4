"""A model of another library as ours: config, parameters by name, tokenizer. All is checked before an array is read."""

import json
from pathlib import Path
from typing import Any

from jattn.errors import InputError
from jattn.interop.building import Imported, build
from jattn.interop.config_keys import Keys
from jattn.interop.families import family_of
from jattn.interop.family import config_from
from jattn.interop.safetensors_files import PICKLES, SafetensorsFolder, refusal
from jattn.interop.special_tokens import from_folder
from jattn.interop.tokenizer_files import read_tokenizer


def read(path: str | Path, *, dtype: str = "float32") -> Imported:
    """The model in a Hugging Face folder or a GGUF file, in that type of number.

    Raises InputError, before anything large is allocated, for a file that is damaged, an architecture or a config key
    that is not known, arrays that are missing, not known, or of another shape, and for pickles.
    """
    path = Path(path)
    if dtype == "float64":
        import jax

        if not jax.config.jax_enable_x64:
            raise InputError("dtype: 'float64' needs jax.config.update('jax_enable_x64', True) first")
    if path.suffix in PICKLES:
        raise InputError(refusal(path))
    if path.suffix == ".gguf":
        from jattn.interop.gguf_file import read_gguf

        return read_gguf(path, dtype)
    if not path.is_dir():
        what = "does not exist" if not path.exists() else "is a file; name its folder, or a .gguf file"
        raise InputError(f"import: {str(path)!r} {what}")
    told = _json(path / "config.json")
    keys = Keys(told, str(path / "config.json"))
    kind = keys("model_type", str)
    family = family_of(kind, keys.where)
    keys.only("quantization_config")
    keys.only("auto_map")
    config = config_from(family, keys, kind)
    keys.done()
    source = SafetensorsFolder(path, family.prefix)
    config = family.completed(config, source.shapes)
    tokenizer = read_tokenizer(path)
    special_tokens = from_folder(path, told, config.vocab_size)
    return build(source, family, config, tokenizer, special_tokens, kind, dtype, [path / "config.json", *source.files])


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file.parent}: there is no config.json; name the folder of a model") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as JSON ({error})") from None
