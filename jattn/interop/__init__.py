"""Models of other libraries in and out: Hugging Face folders (safetensors) and GGUF files, never pickles.

    found = interop.read("path/to/SmolLM2")      config, parameters, tokenizer, where it comes from
    interop.write(config, parameters, tokenizer_json, "out", "llama")

Add a family: one file with `config`, `layout`, `dropped`, `to_keys`, and an entry in FAMILIES.
"""

from jattn.interop.building import Imported
from jattn.interop.foreign import is_foreign
from jattn.interop.reading import FAMILIES, read
from jattn.interop.writing import FORMATS, write

__all__ = ["FAMILIES", "FORMATS", "Imported", "is_foreign", "read", "write"]
