"""Reading lab.yaml: every mistake is a LabError that names file and key."""

import re
from pathlib import Path
from typing import Any

from dllab.errors import LabError
from dllab.lab.checked import checked, parse_mapping, remembered
from dllab.lab.formats import BreakIt, Claims
from dllab.lab.spec import LabSpec

LEARNER_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,40}\.[a-z0-9]{1,8}")


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
    file = kept / f"{folder.name}.json"
    return remembered(file, content, LabSpec, lambda: _check(content, path))


def _check(content: bytes, path: Path) -> LabSpec:
    spec = checked(_named(parse_mapping(content, path)), LabSpec, path)
    _cross_check(spec, path)
    return spec


def _named(raw: dict[str, Any]) -> dict[str, Any]:
    """lab.yaml with its defaults filled in, and each arm and criterion told its own key."""
    named = dict(raw)
    if "Model" in (raw.get("exports") or ("Model",)):
        named.setdefault("arms", {"main": {}})
    for key in ("version", "starter_sha256"):  # digits alone are a number in YAML
        if isinstance(named.get(key), int | float):
            named[key] = str(named[key])
    if isinstance(numbers := named.get("requires"), list):  # 08 is a text in YAML, 07 a number
        named["requires"] = [f"{n:02}" if isinstance(n, int) else n for n in numbers]
    for key, own in (("arms", "name"), ("criteria", "id"), ("experiments", "name")):
        if isinstance(entries := named.get(key), dict):
            named[key] = {
                name: {**entry, own: str(name)} if isinstance(entry, dict) else entry
                for name, entry in entries.items()
            }
    if isinstance(criteria := named.get("criteria"), dict):
        for entry in criteria.values():
            if isinstance(entry, dict):
                entry.setdefault("kind", "metric")
    return named


def _cross_check(spec: LabSpec, path: Path) -> None:
    unknown = [id for id in spec.hidden if id not in spec.checks and id not in spec.criteria]
    if unknown:
        raise LabError(f"{path}: hidden names {unknown}, which checks does not list")
    for name in spec.learner_files:
        if not LEARNER_FILE.fullmatch(name):
            raise LabError(f"{path}: learner_files: {name!r} is not the plain name of a file")
    _check_measured(spec, path)
    _check_formats(spec, path)
    for tried in spec.experiments.values():
        if not tried.seeds or not tried.measures:
            raise LabError(f"{path}: experiments.{tried.name} needs seeds and measures")
    if len({one.curve for one in spec.experiments.values() if one.curve}) > 1:
        raise LabError(f"{path}: experiments: more than one `curve`", "draw one logged key")


def _check_measured(spec: LabSpec, path: Path) -> None:
    for criterion in spec.measured.values():
        if criterion.arm not in spec.arms and (spec.arms or criterion.kind == "metric"):
            raise LabError(
                f"{path}: criteria.{criterion.id}.arm: there is no arm {criterion.arm!r}"
            )
        if criterion.data and (spec.arms or criterion.kind != "play"):
            raise LabError(
                f"{path}: criteria.{criterion.id}.data: only a play in a lab without arms says it",
                "name the set as `data` of the arm",
            )
        if criterion.target == criterion.floor:
            raise LabError(f"{path}: criteria.{criterion.id}: pass and floor are the same")


def _check_formats(spec: LabSpec, path: Path) -> None:
    for id, one in spec.formats.items():
        alike = [other for other in spec.formats.values() if other.kind == one.kind]
        if len(alike) > 1 and not isinstance(one, BreakIt):
            raise LabError(f"{path}: criteria.{id}: a lab has one {one.kind}, on one sheet")
        if isinstance(one, Claims) and one.measure not in spec.measured:
            raise LabError(f"{path}: criteria.{id}.measure: there is no metric {one.measure!r}")
