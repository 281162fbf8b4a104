"""What went wrong with a config, in words: the key, where it stands, the nearest right spelling."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dllab.config.layers import Layers, nearest_key
from dllab.config.overrides import Override
from dllab.config.typed import expected
from dllab.errors import LabError

Choices = Mapping[str, str | None]


def unknown_key(
    override: Override, config: DictConfig, layers: Layers, choices: Choices
) -> LabError:
    """There is no such key: name the nearest one and the file in which that one stands."""
    parent = override.key.rpartition(".")[0]
    holder = OmegaConf.select(config, parent) if parent else config
    if parent and _exists(config, parent) and not isinstance(holder, DictConfig):
        return override.error(
            f"{parent} is one value, there is nothing below it", f"write {parent}=VALUE"
        )
    keys = known_keys(config)
    near = nearest_key(override.key, [*keys, *layers.groups(), "arm"])
    return override.error("there is no such key", _way_on(near, override, config, layers, choices))


def bad_value(override: Override, config: DictConfig, layers: Layers, choices: Choices) -> LabError:
    """The key is right, its value is not: say what may stand there and what the file says."""
    kind = OmegaConf.get_type(config)
    now = OmegaConf.select(config, override.key)
    if isinstance(now, DictConfig):
        return override.error(
            f"{override.key} holds several keys, it cannot be {_show(override.value)}",
            f"set one of them, as in {override.key}.{next(iter(now), 'KEY')}=VALUE",
        )
    if OmegaConf.is_config(now):
        now = OmegaConf.to_container(now)
    return override.error(
        f"expected {expected(kind, override.key)}, got {_show(override.value)}",
        f"{layers.home(override.key, choices)} says {override.key}: {_show(now)}",
    )


def bad_file(layers: Layers, error: HydraException) -> LabError:
    """Hydra could not compose the files: its reason, which its headline hides, and the file."""
    headline, reason = str(error), error.__cause__
    named = re.search(r"In '([^']+)'", headline)
    place = f"{_path(layers, named[1])}: " if named else f"{layers.place(layers.own)}: "
    if not isinstance(reason, OmegaConfBaseException):
        return LabError(f"{place}{_one_line(headline)}", "mend the file")
    return bad_file_value(reason, place)


def bad_file_value(error: OmegaConfBaseException, place: str = "") -> LabError:
    """A key or value in a file that does not fit the schema."""
    key = str(error.full_key or "")
    message = _one_line(str(error.msg or error))
    if re.search(r"not in '|Key .* not found", message):
        known = known_keys(OmegaConf.structured(_settings()))
        near = nearest_key(key, known)
        guess = f"did you mean {near}?" if near else f"known keys: {', '.join(known)}"
        return LabError(f"{place}there is no key {key}", guess)
    return LabError(
        f"{place}{key}: {message}", f"it must be {expected(_settings(), key)}" if key else ""
    )


def bad_yaml(layers: Layers, error: yaml.YAMLError) -> LabError:
    """A file is not YAML at all: name it with line and column."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or _one_line(str(error))
    if mark is None:
        return LabError(f"{layers.place(layers.own)}: {problem}", "mend the file")
    return LabError(
        f"{layers.place(Path(mark.name))}:{mark.line + 1}: not valid YAML: {problem}",
        f"mend line {mark.line + 1}, column {mark.column + 1}",
    )


def known_keys(config: DictConfig, prefix: str = "") -> list[str]:
    """Every key that may be set, in full: `["seed", "model", "model.lr", …]`."""
    keys: list[str] = []
    for name, node in config.items_ex(resolve=False):
        key = f"{prefix}{name}"
        keys.append(key)
        if isinstance(node, DictConfig) and not node._is_none():  # noqa: SLF001
            keys += known_keys(node, f"{key}.")
    return keys


def _way_on(
    near: str, override: Override, config: DictConfig, layers: Layers, choices: Choices
) -> str:
    groups = layers.groups()
    root, _, below = override.key.partition(".")
    if near in groups:
        return f"did you mean {near}? its choices: {', '.join(groups[near])}"
    if near == "arm":
        return f"did you mean arm? the lab's arms: {', '.join(layers.lab.spec.arms)}"
    if near:
        return f"did you mean {near}? it stands in {layers.home(near, choices)}"
    if root in config and below:
        inside = ", ".join(str(key) for key in config[root])
        return f"{root} has the keys {inside}"
    return f"`dllab config {layers.lab.number}` shows every key"


def _exists(config: DictConfig, key: str) -> bool:
    return key in known_keys(config)


def _show(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _path(layers: Layers, name: str) -> str:
    for base in (layers.own, layers.shared):
        if (base / f"{name}.yaml").is_file():
            return layers.place(base / f"{name}.yaml")
    return name


def _settings() -> Any:
    from dllab.config.schema import Settings

    return Settings
