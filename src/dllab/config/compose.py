"""From YAML files and overrides to one `Config` per arm; no type of OmegaConf leaves this room.

Hydra composes the files (configs/train.yaml says in which order they win). What the lab ships then
becomes the type of its keys, and each override is set on it one by one, so that a mistake can be
told with its key, its file and the nearest right spelling.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from dllab.config.explain import (
    bad_file,
    bad_file_value,
    bad_value,
    bad_yaml,
    unknown_key,
)
from dllab.config.layers import Layers, nearest
from dllab.config.overrides import Override, parse
from dllab.config.rules import check_rules
from dllab.config.schema import Config, Settings
from dllab.config.typed import settings_type
from dllab.lab.find import Lab


def compose(lab: Lab, overrides: Sequence[str] = ()) -> dict[str, Config]:
    """The config of every arm of the lab, or of the one that `arm=NAME` picks.

    A lab that trains nothing has no arm and gives an empty dict. Whatever is wrong with the files
    or the overrides is a LabError that names the key, the file and the nearest right spelling.
    """
    given = parse(overrides)
    picked = [override for override in given if override.key == "arm"]
    rest = [override for override in given if override.key != "arm"]
    for override in picked:
        _check_arm(lab, override)
    arms = [str(picked[-1].value)] if picked else list(lab.spec.arms)
    if not arms:
        return {}
    with _hydra(Layers(lab)):
        return {arm: _compose_arm(lab, arm, rest) for arm in arms}


def compose_arm(lab: Lab, arm: str = "main", overrides: Sequence[str] = ()) -> Config:
    """The config of one arm; errors as in `compose`."""
    return compose(lab, [*overrides, f"arm={arm}"])[arm]


def _check_arm(lab: Lab, override: Override) -> None:
    arms = list(lab.spec.arms)
    if override.value in arms:
        return
    near = nearest(str(override.value), arms)
    guess = f"did you mean arm={near}? " if near else ""
    raise override.error(
        f"lab {lab.number} has no such arm",
        f"{guess}its arms: {', '.join(arms)}" if arms else "it trains nothing; leave arm out",
    )


@contextmanager
def _hydra(layers: Layers) -> Iterator[None]:
    """Hydra on the shared folder; what was set up before (a sweep's job) is put back after."""
    layers.require()
    ConfigStore.instance().store(name="schema", node=Settings)
    with initialize_config_dir(str(layers.shared), job_name="dllab", version_base="1.3"):
        yield


def _compose_arm(lab: Lab, arm: str, given: list[Override]) -> Config:
    layers = Layers(lab)
    origin = f"{layers.place(lab.folder / 'lab.yaml')}, arms.{arm}.overrides"
    everything = [*parse(lab.spec.arms[arm].overrides, origin), *given]
    groups = layers.groups()
    chosen = [o for o in everything if o.key in groups and not isinstance(o.value, dict)]
    for override in chosen:
        layers.check_choice(override)
    base, choices = _compose_files(layers, arm, chosen)
    typed = _typed(base)
    for override in everything:
        if override not in chosen:
            _apply(typed, override, layers, choices)
    config = _config(typed, lab, arm, choices)
    check_rules(config, lambda key: layers.home(key, choices))
    return config


def _compose_files(
    layers: Layers, arm: str, chosen: list[Override]
) -> tuple[DictConfig, dict[str, str | None]]:
    """What the files say before any single value is overridden, and which choices were made."""
    texts = {o.key: o.text if o.value is not None else f"~{o.key}" for o in chosen}
    overrides = [*searchpath(layers), f"arm={arm}", *texts.values()]
    try:
        composed = hydra_compose("train", overrides, return_hydra_config=True)
    except HydraException as error:
        raise bad_file(layers, error) from error
    except yaml.YAMLError as error:
        raise bad_yaml(layers, error) from error
    runtime = composed.hydra.runtime.choices
    choices = {str(group): runtime[group] for group in runtime if not group.startswith("hydra/")}
    with open_dict(composed):
        del composed["hydra"]
    return composed, choices


def searchpath(layers: Layers) -> list[str]:
    """The override that puts the lab's `conf/` behind the shared folder."""
    folder = layers.own.as_posix().replace("\\", "\\\\").replace("'", "\\'")
    return [f"hydra.searchpath=['file://{folder}']"]


def _typed(base: DictConfig) -> DictConfig:
    try:
        shipped = OmegaConf.to_container(base, resolve=True)
        assert isinstance(shipped, dict)
        schema = OmegaConf.structured(settings_type(shipped["model"], shipped["data"]))
        merged = OmegaConf.merge(schema, OmegaConf.to_container(base))
    except OmegaConfBaseException as error:
        raise bad_file_value(error) from error
    assert isinstance(merged, DictConfig)
    OmegaConf.set_struct(merged, True)
    return merged


def _apply(
    config: DictConfig, override: Override, layers: Layers, choices: dict[str, str | None]
) -> None:
    """Set one override on the typed config; only `model` and `data` may gain keys."""
    free = override.action == "add" and override.key.startswith(("model.", "data."))
    known = _is_known(config, override.key)
    if not known and not free:
        raise unknown_key(override, config, layers, choices)
    if override.action == "delete":
        raise override.error("a key cannot be left out", "give it another value")
    try:
        OmegaConf.update(config, override.key, override.value, force_add=not known)
    except OmegaConfBaseException as error:
        raise bad_value(override, config, layers, choices) from error


def _is_known(config: DictConfig, key: str) -> bool:
    """Whether `key` leads to a value, null included."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return isinstance(node, DictConfig) and name in node


def _config(typed: DictConfig, lab: Lab, arm: str, choices: dict[str, str | None]) -> Config:
    try:
        OmegaConf.resolve(typed)
        part: Any = OmegaConf.to_object(typed)
        plain = OmegaConf.to_container(typed)
    except OmegaConfBaseException as error:
        raise bad_file_value(error) from error
    assert isinstance(plain, dict)
    values = {f.name: getattr(part, f.name) for f in fields(Settings)}
    values |= {"lab": lab.id, "arm": arm, "model": plain["model"], "data": plain["data"]}
    values |= {group: choices.get(group) or "" for group in ("hardware", "logger", "debug")}
    return Config(**values)
