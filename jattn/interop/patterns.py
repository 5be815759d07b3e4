"""Layer lists of other libraries as our attention strings, and back."""

from jattn.errors import InputError


def repeating(layers: list[str]) -> str:
    """The shortest pattern that repeats to this list: ["local:4", "standard"] * 3 as "local:4,standard"."""
    for period in range(1, len(layers) + 1):
        if all(layer == layers[i % period] for i, layer in enumerate(layers)):
            return ",".join(layers[:period])
    return "standard"


def windows(layer_types: list[str], window: int | None) -> list[str]:
    """Attention strings of "full_attention" and "sliding_attention" layers."""
    if window is None and "sliding_attention" in layer_types:
        raise InputError("config.json: 'layer_types' has sliding_attention, but 'sliding_window' is missing or off")
    return [f"local:{window}" if kind == "sliding_attention" else "standard" for kind in layer_types]
