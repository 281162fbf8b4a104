"""From YAML files and overrides to one `Config` per arm; no type of OmegaConf leaves this room.

Hydra composes the files (configs/train.yaml says in which order they win). What the lab ships then
becomes the type of its keys, and each override is set on it one by one, so that a mistake can be
told with its key, its file and the nearest right spelling.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from dllab.config.draft import Draft
from dllab.config.explain import (
    bad_file,
    bad_file_value,
    bad_value,
    bad_yaml,
    not_a_name,
    unknown_key,
)
from dllab.config.layers import Layers, names, nearest
from dllab.config.overrides import Override, parse, quoted
from dllab.config.rules import check_conflicts, check_rules
from dllab.config.schema import Config, Settings
from dllab.config.typed import is_name, settings_type
from dllab.lab.find import Lab


def compose(lab: Lab, overrides: Sequence[str] = ()) -> dict[str, Config]:
    """The config of every arm of the lab, or of the one that `arm=NAME` picks.

    A lab that trains nothing has no arm and gives an empty dict. Whatever is wrong with the files
    or the overrides is a LabError that names the key, the file and the nearest right spelling.
    """
    given = parse(overrides)
    arms = _arms(lab, [override for override in given if override.key == "arm"])
    if not arms:
        return {}
    layers = Layers(lab)
    layers.require()
    values = [override for override in given if override.key != "arm"]
    with _hydra(layers):
        drafts = {arm: _draft(layers, arm, values) for arm in arms}
    return {arm: _finish(draft, values, drafts.values()) for arm, draft in drafts.items()}


def searchpath(layers: Layers) -> str:
    """The override that tells Hydra where the lab's `conf/` is."""
    return f"hydra.searchpath=[{quoted(f'file://{layers.own.as_posix()}')}]"


def register_schema() -> None:
    """Give Hydra the schema that configs/train.yaml names first."""
    ConfigStore.instance().store(name="schema", node=Settings)


def _arms(lab: Lab, picks: list[Override]) -> list[str]:
    arms = list(lab.spec.arms)
    for pick in picks:
        if pick.value not in arms:
            near = nearest(str(pick.value), arms)
            guess = f"did you mean arm={near}? " if near else ""
            raise pick.error(
                f"lab {lab.number} has no such arm",
                f"{guess}its arms: {', '.join(arms)}" if arms else "it trains nothing",
            )
    return [str(picks[-1].value)] if picks else arms


@contextmanager
def _hydra(layers: Layers) -> Iterator[None]:
    """Hydra on the shared folder; what was set up before (a sweep's job) is put back after."""
    register_schema()
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(layers.shared), job_name="dllab", version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = outer


def _draft(layers: Layers, arm: str, given: list[Override]) -> Draft:
    """What files and choices of groups say; then the arm's own overrides from lab.yaml."""
    own = _of_lab(layers, arm)
    groups = layers.groups()
    chosen = [override for override in (*own, *given) if _is_choice(override, groups)]
    for override in chosen:
        layers.check_choice(override)
    texts = {o.key: o.text if o.value is not None else f"~{o.key}" for o in chosen}
    overrides = [searchpath(layers), f"arm={arm}", *texts.values()]
    try:
        composed = hydra_compose("train", overrides, return_hydra_config=True)
    except HydraException as error:
        raise bad_file(layers, error) from error
    except yaml.YAMLError as error:
        raise bad_yaml(layers, error) from error
    several = {o.key: o.value for o in chosen if isinstance(o.value, list)}  # Hydra omits these
    choices = {**composed.hydra.runtime.choices, **several}
    with open_dict(composed):
        del composed["hydra"]
    return Draft(layers, arm, choices, _typed(layers, composed))


def _finish(draft: Draft, given: list[Override], drafts: Iterable[Draft]) -> Config:
    """Apply the single values, the lab's before the person's, and check what comes out."""
    _apply_all(draft, _of_lab(draft.layers, draft.arm), drafts)
    # Debug choices cut a run short, so they also win over what lab.yaml says of an arm.
    draft.values.merge_with(draft.layers.debug(draft.choices))
    _apply_all(draft, given, drafts)
    config = _config(draft)
    check_rules(config, draft.home)
    check_conflicts(config, draft.layers.lab.spec.conflicts)
    return config


def _of_lab(layers: Layers, arm: str) -> list[Override]:
    origin = f"{layers.place(layers.lab.folder / 'lab.yaml')}, arms.{arm}.overrides"
    return parse(layers.lab.spec.arms[arm].overrides, origin)


def _is_choice(override: Override, groups: dict[str, list[str]]) -> bool:
    return override.key in groups and not isinstance(override.value, dict)


def _typed(layers: Layers, composed: DictConfig) -> DictConfig:
    """The same values in a schema whose model and data keys have the types of what is shipped."""
    try:
        shipped = OmegaConf.to_container(composed, resolve=True)
        assert isinstance(shipped, dict)
        _require_names(layers, shipped)
        schema = OmegaConf.structured(settings_type(shipped["model"], shipped["data"]))
        merged = OmegaConf.merge(schema, OmegaConf.to_container(composed))
    except OmegaConfBaseException as error:
        raise bad_file_value(error) from error
    assert isinstance(merged, DictConfig)
    OmegaConf.set_struct(merged, True)
    return merged


def _require_names(layers: Layers, shipped: Mapping[Any, Any]) -> None:
    for part in ("model", "data"):
        for key in shipped[part]:
            if not is_name(key):
                raise not_a_name(layers, part, key)


def _apply_all(draft: Draft, overrides: list[Override], drafts: Iterable[Draft]) -> None:
    groups = draft.layers.groups()
    for override in overrides:
        if not _is_choice(override, groups):
            _apply(draft, override, drafts)


def _apply(draft: Draft, override: Override, drafts: Iterable[Draft]) -> None:
    """Set one override; a mapping is set key by key. Only `model` and `data` may gain keys."""
    key, node = override.key, draft.at(override.key)
    if isinstance(override.value, dict) and is_dataclass(OmegaConf.get_type(node)):
        for name, value in override.value.items():
            _apply(draft, replace(override, key=f"{key}.{name}", value=value), drafts)
        return
    known = draft.has(key)
    if not known and not (override.action == "add" and key.startswith(("model.", "data."))):
        raise unknown_key(override, draft, drafts)
    if override.action == "delete":
        raise override.error("a key cannot be left out", "give it another value")
    try:
        OmegaConf.update(draft.values, key, override.value, force_add=not known)
    except OmegaConfBaseException as error:
        raise bad_value(override, draft) from error


def _config(draft: Draft) -> Config:
    try:
        OmegaConf.resolve(draft.values)
        built = OmegaConf.to_object(draft.values)
        plain = OmegaConf.to_container(draft.values)
    except OmegaConfBaseException as error:
        raise bad_file_value(error) from error
    assert isinstance(plain, dict)
    values = {field.name: getattr(built, field.name) for field in fields(Settings)}
    values |= {"lab": draft.layers.lab.id, "arm": draft.arm}
    values |= {part: plain[part] for part in ("model", "data")}
    values |= {group: draft.choices.get(group) or "" for group in ("hardware", "debug")}
    values["logger"] = names(draft.choices["logger"])
    return Config(**values)
