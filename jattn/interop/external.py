"""Which paths are models of other libraries. Imports nothing heavy: every load asks it."""

import json
from pathlib import Path


def is_external(path: str | Path) -> bool:
    """Whether a path looks like a model that `read` is for: a GGUF file, or a folder with a model's config.json."""
    path = Path(path)
    if path.is_file():
        return path.suffix == ".gguf" or path.suffix in (".safetensors", ".bin", ".pt", ".pth")
    try:
        told = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return path.is_dir() and any(any(path.glob(f"*{end}")) for end in (".safetensors", ".bin", ".pt", ".pth"))
    return isinstance(told, dict) and "model_type" in told
