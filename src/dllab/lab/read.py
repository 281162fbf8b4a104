"""Reading lab.yaml: every mistake is a LabError that names file and key.

Importing pydantic takes longer than all else that a light command does. So a content of lab.yaml
that passed once is kept under `.cache/labs`, by its hash, and read from there without pydantic.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args, get_origin, get_type_hints

import yaml

from dllab.errors import LabError
from dllab.lab import spec as models
from dllab.lab.spec import LabSpec, is_from_key, key_of


def load_yaml(path: Path) -> Any:
    """Plain YAML through libyaml's safe loader, which is ten times as fast as the Python one."""
    return parse_yaml(path.read_bytes())


def parse_yaml(content: bytes) -> Any:
    """The same for bytes. Deep nesting overflows libyaml's stack: look at strangers' first."""
    return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def load_spec(folder: Path, kept: Path | None = None) -> LabSpec:
    """Read and check a lab's lab.yaml; every mistake is a LabError that names file and key.

    With a folder `kept`, a content that was checked before is read from there, without a check.
    """
    path = folder / "lab.yaml"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise LabError(f"{path} is missing", "every lab folder needs a lab.yaml") from None
    if kept is None:
        return _check(content, path)
    file, key = kept / f"{folder.name}.json", _key(content)
    with suppress(OSError, ValueError, LookupError, TypeError):
        known = json.loads(file.read_bytes())
        if known["key"] == key:
            return cast("LabSpec", _revive(LabSpec, known["spec"]))
    spec = _check(content, path)
    with suppress(OSError):  # a project that cannot be written to is checked each time
        _keep(file, json.dumps({"key": key, "spec": asdict(spec)}))
    return spec


def _key(content: bytes) -> str:
    return hashlib.sha256(_rules() + content).hexdigest()


@cache
def _rules() -> bytes:
    """What the content was checked by: after a change here or there it is checked anew."""
    return b"".join(Path(file).read_bytes() for file in (models.__file__, __file__))


def _keep(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        unfinished = Path(folder) / file.name
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(file)


def _revive(hint: Any, value: Any) -> Any:
    """What `asdict` and JSON made of a checked value, as it was: models, mappings, tuples."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, dict):
        return value
    if is_dataclass(hint):
        hints = _hints(cast("type", hint))
        return cast("type", hint)(**{key: _revive(hints[key], part) for key, part in value.items()})
    inner = get_args(hint)[1] if get_origin(hint) is Mapping else None
    return {key: _revive(inner, part) for key, part in value.items()}


@cache
def _hints(model: type) -> dict[str, Any]:
    return get_type_hints(model)


def _check(content: bytes, path: Path) -> LabSpec:
    from pydantic import TypeAdapter, ValidationError

    raw = _parse(content, path)
    try:
        # By way of JSON: strict as it is, a list makes a tuple there, and a date is a text.
        spec = TypeAdapter(LabSpec).validate_json(json.dumps(_named(raw), default=str))
    except ValidationError as error:
        raise _friendly(error.errors(include_url=False)[0], path) from None
    _cross_check(spec, path)
    return spec


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    try:
        raw = parse_yaml(content)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise LabError(
            f"{path}:{line} is not valid YAML: {error.problem}", "mend this line or the one above"
        ) from None
    except yaml.YAMLError as error:
        raise LabError(f"{path} is not valid YAML: {error}", "write plain UTF-8 text") from None
    if not isinstance(raw, dict):
        raise LabError(f"{path} must hold a mapping", "see docs/architecture.md for its keys")
    return raw


def _named(raw: dict[str, Any]) -> dict[str, Any]:
    """lab.yaml with its defaults filled in, and each arm and criterion told its own key."""
    named = dict(raw)
    if "Model" in (raw.get("exports") or ("Model",)):
        named.setdefault("arms", {"main": {}})
    for key in ("version", "starter_sha256"):  # digits alone are a number in YAML
        if isinstance(named.get(key), int | float):
            named[key] = str(named[key])
    for key, own in (("arms", "name"), ("criteria", "id")):
        if isinstance(entries := named.get(key), dict):
            named[key] = {
                name: {**entry, own: str(name)} if isinstance(entry, dict) else entry
                for name, entry in entries.items()
            }
    return named


_WANTED = {
    "string_type": "a text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
}


def _friendly(error: Any, path: Path) -> LabError:
    """The first of pydantic's errors, in lab.yaml's words."""
    *outer, _ = places = [str(part) for part in error["loc"] if not isinstance(part, int)]
    key, kind = ".".join(places), error["type"]
    if kind == "missing":
        return LabError(f"{path}: missing key {key}", "see docs/architecture.md")
    if kind == "unexpected_keyword_argument":
        known = ", ".join(key_of(one) for one in fields(_model(outer)) if not is_from_key(one))
        return LabError(f"{path}: unknown key {key}", f"known keys: {known}")
    wanted = _WANTED.get(kind) or error.get("ctx", {}).get("expected") or error["msg"]
    if len(places) < len(error["loc"]):
        wanted = f"a list of {wanted.partition(' ')[2]}s"
    return LabError(f"{path}: {key} must be {wanted}, not {error['input']!r}", "mend its value")


def _model(places: list[str]) -> Any:
    """The model that stands under these keys."""
    hint: Any = _hints(LabSpec).get(places[0]) if places else LabSpec
    return next((part for part in (hint, *get_args(hint)) if is_dataclass(part)), LabSpec)


def _cross_check(spec: LabSpec, path: Path) -> None:
    unknown = [id for id in spec.hidden if id not in spec.checks]
    if unknown:
        raise LabError(f"{path}: hidden names {unknown}, which checks does not list")
    for criterion in spec.criteria.values():
        if criterion.arm not in spec.arms:
            raise LabError(
                f"{path}: criteria.{criterion.id}.arm: there is no arm {criterion.arm!r}"
            )
        if criterion.target == criterion.floor:
            raise LabError(f"{path}: criteria.{criterion.id}: pass and floor are the same")
