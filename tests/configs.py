"""Model configs of tests in one line: a field of a group is written group__field, as in norm__position="post"."""

from dataclasses import replace
from typing import Any

from jattn.config import ModelConfig


def model_config(**fields: Any) -> ModelConfig:
    """The default config with these fields changed."""
    return changed(ModelConfig(), **fields)


def changed(config: ModelConfig, **fields: Any) -> ModelConfig:
    """A config with these fields changed, all at once, so that they are checked together."""
    whole = {name: value for name, value in fields.items() if "__" not in name}
    groups: dict[str, dict[str, Any]] = {}
    for name in fields.keys() - whole.keys():
        group, _, field = name.partition("__")
        groups.setdefault(group, {})[field] = fields[name]
    for group, parts in groups.items():
        whole[group] = replace(whole.get(group, getattr(config, group)), **parts)
    return replace(config, **whole)
