"""What a family of models in another library shares: its config.json, its arrays, and what of ours it can say."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.interop.config_keys import Keys
from jattn.interop.layout import Entry


@dataclass(frozen=True)
class Family:
    """One architecture and its members, both ways.

    members     the model_type of each
    prefix      of the names of its arrays; files of the bare model leave it out
    names       fields of ours by the key that says the same, for refusals in the file's own words
    copies      arrays that some files store again, though tied -> the original
    config      the model that some keys of a member describe
    layout      where every parameter of ours stands
    dropped     whether no output depends on an array of that name
    to_keys     the config.json of a member that holds a model
    nearest     the model with what no config.json of the family could say changed to the nearest that one can
    rewritten   the same function of its tokens in the family's words
    completed   the config with what only the names of the arrays tell
    """

    members: tuple[str, ...]
    prefix: str
    names: Mapping[str, str]
    copies: Mapping[str, str]
    config: Callable[[Keys, str], ModelConfig]
    layout: Callable[[ModelConfig], list[Entry]]
    dropped: Callable[[str], bool]
    to_keys: Callable[[ModelConfig, str], dict[str, Any]]
    nearest: Callable[[ModelConfig], ModelConfig]
    rewritten: Callable[[ModelConfig], ModelConfig] = lambda config: config
    completed: Callable[[ModelConfig, Collection[str]], ModelConfig] = lambda config, _: config


def config_from(family: Family, keys: Keys, kind: str) -> ModelConfig:
    """The family's config of these keys; a model that cannot be is refused in the file's own words, not in ours."""
    try:
        return family.config(keys, kind)
    except InputError as error:
        if not str(error).startswith("model."):
            raise
        said = re.sub(r"model\.([\w.]*\w)", lambda match: repr(family.names.get(match[1], match[1])), str(error))
        raise InputError(f"{keys.where}: {said}") from None
