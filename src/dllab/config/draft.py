"""A config while it is being made: one arm's values, and the files they came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dllab.config.layers import Chosen, Layers


@dataclass(frozen=True)
class Draft:
    """The typed values of one arm. `choices` says which file of each group was taken."""

    layers: Layers
    arm: str
    choices: Mapping[str, Chosen]
    values: DictConfig

    def home(self, key: str) -> str:
        """The file in which `key` stands."""
        return self.layers.home(key, self.choices)

    def keys(self) -> list[str]:
        """Every key that may be set, in full: `["seed", "model", "model.lr", …]`."""
        return known_keys(self.values)

    def has(self, key: str) -> bool:
        """Whether `key` leads to a value, null included."""
        parent, _, name = key.rpartition(".")
        node = self.at(parent) if parent else self.values
        return isinstance(node, DictConfig) and name in node

    def at(self, key: str) -> Any:
        """The node or value at `key`, None when there is none."""
        return OmegaConf.select(self.values, key)


def known_keys(values: DictConfig, prefix: str = "") -> list[str]:
    """The keys of a config and of the mappings in it, each in full."""
    keys: list[str] = []
    for name, node in values.items_ex(resolve=False):
        key = f"{prefix}{name!s}"
        keys.append(key)
        if isinstance(node, DictConfig):
            keys += known_keys(node, f"{key}.")
    return keys
