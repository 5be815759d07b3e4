"""The families of models that are read and written, by the name of their format."""

from jattn.errors import InputError
from jattn.interop import bert, gpt2, gpt_oss, llama
from jattn.interop.family import Family

FAMILIES: dict[str, Family] = {
    "gpt2": gpt2.FAMILY,
    "llama": llama.FAMILY,
    "bert": bert.FAMILY,
    "gpt_oss": gpt_oss.FAMILY,
}


def family_of(kind: str, where: str) -> Family:
    """The family that a model type belongs to; InputError naming what is supported."""
    for family in FAMILIES.values():
        if kind in family.members:
            return family
    known = ", ".join(member for family in FAMILIES.values() for member in family.members)
    raise InputError(f"{where}: model_type {kind!r} is not supported; supported: {known}")
