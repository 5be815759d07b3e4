"""Models of other libraries in and out: Hugging Face folders (safetensors) and GGUF files, never pickles.

    external = interop.read("path/to/SmolLM2")      config, parameters, tokenizer, where it comes from
    interop.write(config, parameters, tokenizer_json, "out", "llama")

Add a family: one file with a `Family` (jattn/interop/family.py), and its row in FAMILIES (families.py).
"""

from jattn.interop.building import Imported
from jattn.interop.external import is_external
from jattn.interop.families import FAMILIES
from jattn.interop.reading import read
from jattn.interop.writing import FORMATS, write

__all__ = ["FAMILIES", "FORMATS", "Imported", "is_external", "read", "write"]
