"""Values that pydantic has checked, for what people write in YAML: lab.yaml, dataset.yaml.

Models are frozen dataclasses that derive from `Checked`. Importing pydantic takes longer than all
else that a light command does. So a content that passed once is kept under `.cache`, by its hash,
and read from there without pydantic.
"""

import hashlib
import inspect
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import Field, asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast, get_args, get_origin, get_type_hints

import yaml

from dllab.errors import LabError

T = TypeVar("T")


class Checked:
    """How pydantic reads the models: no unknown keys, no texts for numbers, docs in the schema."""

    __pydantic_config__: ClassVar[Mapping[str, bool | str]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }


class ByKind:
    """For a union of models, by `Annotated`: the `kind` of an entry tells which one it is."""

    def __get_pydantic_core_schema__(self, union: Any, handler: Any) -> Any:
        """Tell pydantic, which is imported by then."""
        from pydantic_core import core_schema

        choices = {kind: handler.generate_schema(one) for kind, one in by_kind(union).items()}
        return core_schema.tagged_union_schema(choices, "kind")


def by_kind(union: Any) -> dict[str, Any]:
    """The models of a union by the kinds that they stand for."""
    return {kind: one for one in get_args(union) for kind in get_args(hints_of(one)["kind"])}


def key_of(one: Field[Any]) -> str:
    """The name of a model's field in YAML."""
    return str(one.metadata.get("alias", one.name))


def is_from_key(one: Field[Any]) -> bool:
    """Whether a field repeats the key that its entry stands under: no one writes it."""
    return bool(one.metadata.get("from_key"))


def load_yaml(path: Path) -> Any:
    """Plain YAML through libyaml's safe loader, which is ten times as fast as the Python one."""
    return parse_yaml(path.read_bytes())


def parse_yaml(content: bytes) -> Any:
    """The same for bytes. Deep nesting overflows libyaml's stack: look at strangers' first."""
    return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def parse_mapping(content: bytes, path: Path) -> dict[str, Any]:
    """A YAML file's mapping; LabError, with the line, when it is something else."""
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


def checked(raw: Mapping[str, Any], model: type[T], path: Path) -> T:
    """A mapping as its model; LabError names the file and the first key that is wrong."""
    from pydantic import ValidationError

    try:
        # By way of JSON: strict as it is, a list makes a tuple there, and a date is a text.
        return cast("T", _adapter(cast("Any", model)).validate_json(json.dumps(raw, default=str)))
    except ValidationError as error:
        raise _friendly(error.errors(include_url=False)[0], model, path) from None


@cache
def _adapter(model: type[Any]) -> Any:
    """Pydantic's, of a model: a lab's takes a sixth of a second to build."""
    from pydantic import TypeAdapter

    return TypeAdapter(model)


def remembered(file: Path, content: bytes, model: type[T], check: Callable[[], T]) -> T:
    """What `check` made of the content, this time or when it was last the same."""
    key = hashlib.sha256(
        _rules(*_files(cast("Any", model)), inspect.getfile(check)) + content
    ).hexdigest()
    with suppress(OSError, ValueError, LookupError, TypeError):
        known = json.loads(file.read_bytes())
        if known["key"] == key:
            return cast("T", _revive(model, known["value"]))
    value = check()
    with suppress(OSError):  # a project that cannot be written to is checked each time
        _keep(file, json.dumps({"key": key, "value": asdict(cast("Any", value))}))
    return value


@cache
def _rules(*files: str) -> bytes:
    """What a content was checked by: after a change here or there it is checked anew."""
    return b"".join(Path(file).read_bytes() for file in (*files, __file__))


@cache
def _files(model: Any) -> tuple[str, ...]:
    """Where the models are written that are in one."""
    return tuple(sorted({inspect.getfile(one) for one in _models(model)}))


def _models(hint: Any) -> Iterator[type[Any]]:
    """Every model in a type."""
    if is_dataclass(hint):
        yield cast("type[Any]", hint)
    inner = hints_of(cast("type", hint)).values() if is_dataclass(hint) else get_args(hint)
    for part in inner:
        yield from _models(part)


def _keep(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        unfinished = Path(folder) / file.name
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(file)


def _revive(hint: Any, value: Any) -> Any:
    """What `asdict` and JSON made of a checked value, as it was: models, mappings, tuples."""
    inner = get_args(hint)
    if isinstance(value, list):
        return tuple(_revive(inner[0] if inner else None, part) for part in value)
    if not isinstance(value, dict):
        return value
    model = None if get_origin(hint) is Mapping else _one_of(hint, value.get("kind"))
    if model is None:
        return {key: _revive(inner[1] if inner else None, part) for key, part in value.items()}
    hints = hints_of(cast("type", model))
    return cast("type", model)(**{key: _revive(hints[key], part) for key, part in value.items()})


@cache
def hints_of(model: type) -> dict[str, Any]:
    """The types of a model's fields."""
    return get_type_hints(model)


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


def _friendly(error: Any, model: type[Any], path: Path) -> LabError:
    """One of pydantic's errors, in the words of the file."""
    places, around = _walk(model, error["loc"])
    key, kind = ".".join(places), error["type"]
    if kind == "missing":
        return LabError(f"{path}: missing key {key}", "see docs/architecture.md")
    if kind == "unexpected_keyword_argument":
        known = ", ".join(key_of(one) for one in fields(around) if not is_from_key(one))
        return LabError(f"{path}: unknown key {key}", f"known keys: {known}")
    if kind == "value_error":
        said = error["ctx"]["error"]
        return LabError(f"{path}: {key}: {said}" if key else f"{path}: {said}", "mend it")
    if kind == "union_tag_invalid":
        known = error["ctx"]["expected_tags"].replace("'", "")
        return LabError(f"{path}: {key}.kind is none of {known}", "mend its value")
    wanted = _WANTED.get(kind) or error.get("ctx", {}).get("expected") or error["msg"]
    if any(isinstance(part, int) for part in error["loc"]):
        wanted = f"a list of {wanted.partition(' ')[2]}s"
    return LabError(f"{path}: {key} must be {wanted}, not {error['input']!r}", "mend its value")


def _walk(model: type[Any], loc: Sequence[str | int]) -> tuple[list[str], Any]:
    """The keys that lead to a place, and the model around it."""
    places, hint, around = [], cast("Any", model), cast("Any", model)
    for part in loc:
        if is_dataclass(hint):
            around = hint
            hint = hints_of(cast("type", hint)).get(str(part))
        elif _is_choice(hint):
            hint = by_kind(hint).get(str(part))
            continue  # a kind is not a key
        else:
            hint = get_args(hint)[-1] if get_args(hint) else None
        places += [str(part)] * isinstance(part, str)
    return places, around


def _is_choice(hint: Any) -> bool:
    """Whether a union of several models."""
    return sum(map(is_dataclass, get_args(hint))) > 1


def _one_of(hint: Any, kind: Any) -> Any:
    """The model of a type, if any: itself, the one beside None, or that of the kind."""
    if _is_choice(hint):
        return by_kind(hint)[kind]
    return next((part for part in (hint, *get_args(hint)) if is_dataclass(part)), None)
