"""labs/checklist.yaml as dataclasses: every topic and every box, checked once when read."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from dllab.errors import LabError
from dllab.lab.checked import load_yaml
from dllab.lab.spec import LEVELS

HANDS_ON = ("yes", "partly", "no")
# YAML 1.1 reads a bare yes and no as booleans.
_YAML_WORDS = {"True": "yes", "False": "no"}
_TEXT_LISTS = ("concepts", "prerequisites", "topics")


@dataclass(frozen=True)
class How:
    """How a topic is served until a lab names it: `kind` planned, exercise, self or never.

    `value` is the lab's number (two digits) or the exercise's name, else empty.
    """

    kind: str
    value: str = ""


@dataclass(frozen=True)
class Topic:
    """One ability. `mastery` says what having it means; `prerequisites` are topic ids."""

    id: str
    title: str
    level: str
    category: str
    hands_on: str
    mastery: str
    concepts: tuple[str, ...]
    prerequisites: tuple[str, ...]
    how: How | None = None
    counterparts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Box:
    """One box of the public checklist; full when all of its topics are."""

    id: str
    title: str
    level: str
    group: str
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Checklist:
    """All topics by id, in the order of the file, and all boxes."""

    path: Path
    topics: Mapping[str, Topic]
    boxes: tuple[Box, ...]

    @property
    def planned(self) -> frozenset[str]:
        """Numbers of the labs that some topic waits for, two digits each."""
        hows = [topic.how for topic in self.topics.values() if topic.how]
        return frozenset(how.value for how in hows if how.kind == "planned")

    def find(self, name: str) -> Topic:
        """The topic with this id; an unknown one is an error that suggests the nearest."""
        if name in self.topics:
            return self.topics[name]
        hint = "`dllab progress --json` lists them all"
        raise LabError(f"there is no topic {name!r}", suggest(name, self.topics) or hint)


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` for a misspelt id, or the empty string when nothing is near."""
    ids = list(known)
    near = difflib.get_close_matches(name.lower().replace(" ", "-"), ids, n=3, cutoff=0.6)
    near = near or [id for id in ids if name.lower() in id][:3]
    return f"did you mean {' or '.join(near)}?" if near else ""


def load_checklist(root: Path) -> Checklist:
    """Read and check `labs/checklist.yaml`; every mistake is a LabError with file and key."""
    path = root / "labs" / "checklist.yaml"
    raw = _read(path)
    topics = [_topic(entry, i, path) for i, entry in enumerate(raw["topics"])]
    boxes = [_build(Box, entry, f"boxes[{i}]", path) for i, entry in enumerate(raw["boxes"])]
    _refuse_twins("topics", [topic.id for topic in topics], path)
    _refuse_twins("boxes", [box.id for box in boxes], path)
    checklist = Checklist(path, {topic.id: topic for topic in topics}, tuple(boxes))
    _check_references(checklist)
    _check_order(checklist)
    return checklist


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        raw = load_yaml(path)
    except FileNotFoundError:
        raise LabError(
            f"{path} is missing", "restore it: git checkout labs/checklist.yaml"
        ) from None
    except yaml.YAMLError as error:
        raise LabError(f"{path} is not valid YAML: {error}", "mend the line it names") from None
    shape = isinstance(raw, dict) and sorted(raw) == ["boxes", "topics"]
    if not shape or not all(isinstance(raw[key], list) for key in raw):
        raise LabError(f"{path} must hold two lists, topics and boxes, and nothing else")
    return dict(raw)


def _topic(raw: Any, index: int, path: Path) -> Topic:
    where = f"topics[{index}]"
    if not isinstance(raw, dict):
        raise LabError(f"{path}: {where} must be a mapping, not {raw!r}")
    where = f"topics.{raw.get('id', index)}"
    hands_on = raw.get("hands_on")
    values = {**raw, "hands_on": _YAML_WORDS.get(str(hands_on), hands_on)}
    if "how" in values:
        values["how"] = _how(values["how"], where, path)
    topic: Topic = _build(Topic, values, where, path)
    if topic.hands_on not in HANDS_ON:
        raise LabError(f"{path}: {where}.hands_on must be one of {', '.join(HANDS_ON)}")
    if topic.hands_on == "yes" and topic.how and topic.how.kind in ("self", "never"):
        raise LabError(
            f"{path}: {where}.how: a hands-on topic cannot be {topic.how.kind}",
            "plan a lab for it: how: {planned: NUMBER}",
        )
    return topic


def _how(raw: Any, where: str, path: Path) -> How:
    if not isinstance(raw, dict) or len(raw) != 1:
        raise LabError(f"{path}: {where}.how must hold one of planned, exercise, self, never")
    [(kind, value)] = raw.items()
    if kind in ("self", "never") and value is True:
        return How(kind)
    if kind == "planned" and type(value) is int and 0 < value < 100:
        return How(kind, f"{value:02d}")
    if kind == "exercise" and (path.parent / "exercises" / str(value)).is_dir():
        return How(kind, str(value))
    raise LabError(
        f"{path}: {where}.how: {kind}: {value!r} means nothing",
        "planned: a lab's number; exercise: a folder of labs/exercises; self: true; never: true",
    )


def _build(kind: type[Any], raw: Any, where: str, path: Path) -> Any:
    if not isinstance(raw, dict):
        raise LabError(f"{path}: {where} must be a mapping, not {raw!r}")
    known = {f.name: f for f in fields(kind)}
    if unknown := [key for key in raw if key not in known]:
        raise LabError(
            f"{path}: unknown key {where}.{unknown[0]}", f"known keys: {', '.join(known)}"
        )
    for name, f in known.items():
        required = f.default is MISSING and f.default_factory is MISSING
        if required and name not in raw:
            raise LabError(f"{path}: missing key {where}.{name}")
    values = {key: _value(key, value, where, path) for key, value in raw.items()}
    if values["level"] not in LEVELS:
        raise LabError(f"{path}: {where}.level must be one of {', '.join(LEVELS)}")
    return kind(**values)


def _value(key: str, value: Any, where: str, path: Path) -> Any:
    if isinstance(value, How):
        return value
    if key == "counterparts" and _all_text(value):
        return dict(value)
    if key in _TEXT_LISTS and isinstance(value, list) and _all_text(value):
        return tuple(value)
    if key not in (*_TEXT_LISTS, "counterparts") and isinstance(value, str) and value:
        return value
    kind = "a list of texts" if key in _TEXT_LISTS else "a text"
    raise LabError(f"{path}: {where}.{key} must be {kind}, not {value!r}")


def _all_text(value: Any) -> bool:
    both = [*value, *value.values()] if isinstance(value, dict) else value
    return isinstance(both, list) and all(isinstance(item, str) for item in both)


def _refuse_twins(section: str, ids: Sequence[str], path: Path) -> None:
    twins = sorted({id for id in ids if ids.count(id) > 1})
    if twins:
        raise LabError(f"{path}: {section} holds the id {twins[0]} twice", "ids are unique")


def _check_references(checklist: Checklist) -> None:
    named = [(f"topics.{t.id}.prerequisites", t.prerequisites) for t in checklist.topics.values()]
    named += [(f"boxes.{box.id}.topics", box.topics) for box in checklist.boxes]
    for where, ids in named:
        for id in ids:
            if id not in checklist.topics:
                raise LabError(
                    f"{checklist.path}: {where} names {id!r}, which is not a topic",
                    suggest(id, checklist.topics),
                )
    for box in checklist.boxes:
        if not box.topics:
            raise LabError(f"{checklist.path}: boxes.{box.id}.topics is empty")


def _check_order(checklist: Checklist) -> None:
    graph = {topic.id: topic.prerequisites for topic in checklist.topics.values()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise LabError(
            f"{checklist.path}: prerequisites go in a circle: {circle}", "drop one of them"
        ) from None
