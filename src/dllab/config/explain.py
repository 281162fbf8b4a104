"""What went wrong with a config, in words: the key, where it stands, the nearest right spelling."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from dllab.config.draft import Draft, known_keys
from dllab.config.layers import Layers, nearest_key
from dllab.config.overrides import Override
from dllab.config.schema import Settings
from dllab.config.typed import expected
from dllab.errors import LabError


def unknown_key(override: Override, draft: Draft, others: Iterable[Draft] = ()) -> LabError:
    """There is no such key: name the nearest one and the file in which that one stands.

    `others` are the drafts of the lab's other arms, one of which may be the one that was meant.
    """
    parent = override.key.rpartition(".")[0]
    if parent and draft.has(parent) and not isinstance(draft.at(parent), DictConfig):
        return override.error(
            f"{parent} is one value, there is nothing below it", f"write {parent}=VALUE"
        )
    elsewhere = [other.arm for other in others if other.has(override.key)]
    if elsewhere:
        return override.error(
            f"the arm {draft.arm} has no such key, {' and '.join(elsewhere)} has",
            f"train that arm alone: add arm={elsewhere[0]}",
        )
    return override.error("there is no such key", _way_on(override, draft))


def bad_value(override: Override, draft: Draft) -> LabError:
    """The key is right, its value is not: say what may stand there and what the file says."""
    now = draft.at(override.key)
    if isinstance(now, DictConfig):
        return override.error(
            f"{override.key} holds several keys, it cannot be {_show(override.value)}",
            f"set one of them, as in {override.key}.{next(iter(now), 'KEY')!s}=VALUE",
        )
    if OmegaConf.is_config(now):
        now = OmegaConf.to_container(now)
    wanted = expected(OmegaConf.get_type(draft.values), override.key)
    return override.error(
        f"expected {wanted}, got {_show(override.value)}",
        f"{draft.home(override.key)} says {override.key}: {_show(now)}",
    )


def bad_file(layers: Layers, error: HydraException) -> LabError:
    """Hydra could not compose the files: the reason that its headline hides, and the file."""
    headline, reason = str(error), error.__cause__ or error.__context__
    named = re.search(r"In '([^']+)'", headline)
    path = layers.find(named[1]) if named else None
    place = f"{layers.place(path or layers.own)}: "
    if not isinstance(reason, OmegaConfBaseException):
        return LabError(f"{place}{hydra_reason(error)}", "mend the defaults list of that file")
    for part in layers.flattened(path) if path else ():
        return LabError(f"{place}{part} must hold keys and values", f"write {part}: {{KEY: VALUE}}")
    return bad_file_value(reason, place)


def bad_file_value(error: OmegaConfBaseException, place: str = "") -> LabError:
    """A key or a value in a file that does not fit the schema."""
    key = str(error.full_key or "")
    message = str(error.msg or error).partition("\n")[0]
    if isinstance(error, InterpolationResolutionError):
        return LabError(
            f"{place}{message}", "${…} names another key in full, as in ${trainer.max_epochs}"
        )
    if re.search(r"not in '|Key .* not found", message):
        near = nearest_key(key, known_keys(OmegaConf.structured(Settings)))
        guess = f"did you mean {near}?" if near else "the keys stand in src/dllab/config/schema.py"
        return LabError(f"{place}there is no key {key}", guess)
    return LabError(f"{place}{key}: {message}", f"expected {expected(Settings, key)}")


def bad_yaml(layers: Layers, error: yaml.YAMLError) -> LabError:
    """A file is not YAML at all: name it, with line and column."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return LabError(f"{layers.place(layers.own)}: {_one_line(str(error))}", "mend the file")
    return LabError(
        f"{layers.place(Path(mark.name))}:{mark.line + 1}: not valid YAML: "
        f"{getattr(error, 'problem', '')}",
        f"mend line {mark.line + 1}, column {mark.column + 1}, or the line above it",
    )


def hydra_reason(error: HydraException) -> str:
    """Hydra's message on one line, without the list of folders that it searched."""
    text = str(error).partition("Config search path")[0]
    return re.sub(r"^In '[^']+': ", "", _one_line(text))


def not_a_name(layers: Layers, part: str, key: object) -> LabError:
    """A key of `model` or `data` that cannot be a keyword argument."""
    return LabError(
        f"{layers.place(layers.own)}: {part} has the key {key!r}, which is not a Python name",
        f"the keys of {part} become arguments, as in {part.title()}(lr=0.1)",
    )


def _way_on(override: Override, draft: Draft) -> str:
    groups = draft.layers.groups()
    near = nearest_key(override.key, [*draft.keys(), *groups])
    if near in groups:
        if str(override.value) in groups[near]:
            return f"did you mean {near}={override.value}?"
        return f"did you mean {near}? its choices: {', '.join(groups[near])}"
    if near:
        return f"did you mean {near}? it stands in {draft.home(near)}"
    root = override.key.partition(".")[0]
    if root in ("model", "data"):
        keys = ", ".join(str(key) for key in draft.at(root))
        return f"{root} has the keys {keys}; a new one takes a plus: +{override.key}=VALUE"
    return f"`dllab config {draft.layers.lab.number}` shows every key"


def _show(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
