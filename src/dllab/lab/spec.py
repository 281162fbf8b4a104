"""lab.yaml as dataclasses: read once, checked once, plain values after that."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from dllab.errors import LabError

T = TypeVar("T")

LEVELS = ("beginner", "intermediate", "advanced")


@dataclass(frozen=True)
class Arm:
    """One training. `data` names the set whose items score the arm; `budget_s` is wall seconds.

    `on_purpose` names rules of the curve doctor that this arm breaks because it should.
    """

    name: str
    overrides: tuple[str, ...] = ()
    budget_s: float = 180.0
    data: str = ""
    on_purpose: tuple[str, ...] = ()


@dataclass(frozen=True)
class Criterion:
    """A metric with a target (`pass`), the published level (`strong`) and a floor worth nothing."""

    id: str
    title: str
    metric: str
    points: float
    target: float
    floor: float
    strong: float | None = None
    arm: str = "main"
    required: bool = False


@dataclass(frozen=True)
class Budgets:
    """What a lab may use, in wall seconds, MiB and bytes, and what its sandbox grants."""

    train_s: float = 180.0
    memory_mb: int = 4096
    artifact_bytes: int = 16_000_000
    probe_s: float = 60.0
    processes: int = 64
    sockets: bool = False
    gpu: bool = False


@dataclass(frozen=True)
class LabSpec:
    """Everything lab.yaml says; the scorer reads its own copy, never a submitted one."""

    title: str
    summary: str
    level: str
    topics: tuple[str, ...]
    checks: Mapping[str, float]
    hints: Mapping[str, tuple[str, ...]]
    pass_score: float
    starter_sha256: str
    version: str = "1"
    exports: tuple[str, ...] = ("Model", "Data")
    arms: Mapping[str, Arm] = field(default_factory=dict)
    criteria: tuple[Criterion, ...] = ()
    hidden: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    budgets: Budgets = field(default_factory=Budgets)
    calibration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def visible(self) -> tuple[str, ...]:
        """Ids of the checks that practice mode runs."""
        return tuple(id for id in self.checks if id not in self.hidden)

    def manifest(self, *, official: bool) -> tuple[str, ...]:
        """Ids of every check and criterion that must report in this mode."""
        checks = tuple(self.checks) if official else self.visible
        return (*checks, *(criterion.id for criterion in self.criteria))


def load_yaml(path: Path) -> Any:
    """Plain YAML through libyaml's safe loader, which is ten times as fast as the Python one."""
    return parse_yaml(path.read_bytes())


def parse_yaml(content: bytes) -> Any:
    """The same for bytes. Deep nesting overflows libyaml's stack: look at strangers' first."""
    return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def load_spec(folder: Path) -> LabSpec:
    """Read and check a lab's lab.yaml; every mistake is a LabError that names file and key."""
    path = folder / "lab.yaml"
    try:
        raw = load_yaml(path)
    except FileNotFoundError:
        raise LabError(f"{path} is missing", "every lab folder needs a lab.yaml") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise LabError(
            f"{path}:{line} is not valid YAML: {error.problem}", "mend this line or the one above"
        ) from None
    except yaml.YAMLError as error:
        raise LabError(f"{path} is not valid YAML: {error}", "write plain UTF-8 text") from None
    if not isinstance(raw, dict):
        raise LabError(f"{path} must hold a mapping", "see docs/architecture.md for its keys")
    _check_form(raw, path)
    return _spec(raw, path)


def _check_form(raw: dict[str, Any], path: Path) -> None:
    """Raise LabError for the first value that is no list, mapping or number where it must be."""
    for key, value, fits, wanted in _forms(raw):
        if not fits(value):
            raise LabError(f"{path}: {key} must be {wanted}, not {value!r}", "mend its value")


def _forms(raw: dict[str, Any]) -> Iterator[tuple[str, Any, Callable[[Any], bool], str]]:
    """Key, value, and what it must be. Outer keys come first: the inner ones rely on them."""
    for key in ("topics", "exports", "hidden", "artifacts"):
        yield key, raw.get(key, []), _is_texts, "a list of names"
    for key in ("checks", "hints", "arms", "criteria", "budgets", "calibration"):
        yield key, raw.get(key, {}), _is_mapping, "a mapping"
    for id, points in raw.get("checks", {}).items():
        yield f"checks.{id}", points, _is_number, "a number of points"
    for task, steps in raw.get("hints", {}).items():
        yield f"hints.{task}", steps, _is_texts, "a list of texts"
    for key in ("criteria", "arms"):
        for name, entry in raw.get(key, {}).items():
            yield f"{key}.{name}", entry, _is_mapping, "a mapping"
    for name, arm in raw.get("arms", {}).items():
        for key in ("overrides", "on_purpose"):
            yield f"arms.{name}.{key}", arm.get(key, []), _is_texts, "a list of texts"


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spec(raw: dict[str, Any], path: Path) -> LabSpec:
    values = dict(raw)
    exports = tuple(values.pop("exports", ("Model", "Data")))
    trains = "Model" in exports
    arms = values.pop("arms", {"main": {}} if trains else {})
    spec = _build(
        LabSpec,
        path,
        "",
        {
            **values,
            "exports": exports,
            "topics": tuple(values.get("topics", ())),
            "hidden": tuple(values.get("hidden", ())),
            "artifacts": tuple(values.get("artifacts", ())),
            "checks": {str(id): float(points) for id, points in values.get("checks", {}).items()},
            "hints": {task: tuple(steps) for task, steps in values.get("hints", {}).items()},
            "starter_sha256": str(values.get("starter_sha256", "")),
            "version": str(values.get("version", "1")),
            "budgets": _build(Budgets, path, "budgets.", values.get("budgets", {})),
            "arms": {name: _arm(name, arm, path) for name, arm in arms.items()},
            "criteria": tuple(
                _criterion(id, entry, path) for id, entry in values.get("criteria", {}).items()
            ),
        },
    )
    _cross_check(spec, path)
    return spec


def _arm(name: str, raw: dict[str, Any], path: Path) -> Arm:
    lists = {key: tuple(raw.get(key, ())) for key in ("overrides", "on_purpose")}
    values = {**raw, "name": name, **lists}
    return _build(Arm, path, f"arms.{name}.", values)


def _criterion(id: str, raw: dict[str, Any], path: Path) -> Criterion:
    values = {**raw, "id": id}
    if "pass" in values:
        values["target"] = values.pop("pass")
    return _build(Criterion, path, f"criteria.{id}.", values)


def _build(kind: type[T], path: Path, prefix: str, values: dict[str, Any]) -> T:
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise LabError(f"{path}: unknown key {prefix}{key}", f"known keys: {', '.join(known)}")
    try:
        built = kind(**values)
    except TypeError as error:
        missing = str(error).rpartition(": ")[2]
        raise LabError(
            f"{path}: missing key {prefix}{missing}", "see docs/architecture.md"
        ) from None
    for name, hint in get_type_hints(kind).items():
        if hint in (str, float, int, bool) and not _fits(getattr(built, name), hint):
            value = getattr(built, name)
            raise LabError(
                f"{path}: {prefix}{name} must be a {hint.__name__}, not {value!r}", "mend its value"
            )
    return built


def _fits(value: object, hint: type) -> bool:
    if hint is float:
        return _is_number(value)
    return isinstance(value, hint)


def _cross_check(spec: LabSpec, path: Path) -> None:
    if spec.level not in LEVELS:
        raise LabError(f"{path}: level {spec.level!r} is not one of {', '.join(LEVELS)}")
    unknown = [id for id in spec.hidden if id not in spec.checks]
    if unknown:
        raise LabError(f"{path}: hidden names {unknown}, which checks does not list")
    for criterion in spec.criteria:
        if criterion.arm not in spec.arms:
            raise LabError(
                f"{path}: criteria.{criterion.id}.arm: there is no arm {criterion.arm!r}"
            )
        if criterion.target == criterion.floor:
            raise LabError(f"{path}: criteria.{criterion.id}: pass and floor are the same")
