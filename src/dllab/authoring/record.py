"""A calibration in lab.yaml: the numbers that follow from it, and the record of its runs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from dllab.authoring.calibrate import Calibrated
from dllab.authoring.content import recipe_of
from dllab.authoring.experiments import Ran, recipe_of_experiment
from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.read import load_spec

_RECORD = re.compile(r"^    record:.*\n(?:      .*\n)*", re.MULTILINE)


def write_record(lab: Lab, found: Sequence[Calibrated]) -> None:
    """Put pass, floor and the records into lab.yaml, whose every other line stays as it is."""
    path = lab.folder / "lab.yaml"
    before = path.read_text(encoding="utf-8")
    text = before
    for one in found:
        text = _set_number(text, one.criterion.id, "pass", one.target)
        if not one.is_narrow:
            text = _set_number(text, one.criterion.id, "floor", one.floor)
    recipe = recipe_of(lab)
    records = {one.criterion.id: one.record(recipe) for one in found}
    path.write_text(_set_block(text, records), encoding="utf-8")
    try:
        written = load_spec(lab.folder).measured
        missed = [one for one in found if written[one.criterion.id].target != one.target]
    except LabError:
        path.write_text(before, encoding="utf-8")
        raise
    if missed:
        path.write_text(before, encoding="utf-8")
        raise LabError(
            f"{path}: `pass:` of {missed[0].criterion.id} was not found as a plain number",
            "write the criterion on one line, or each key on a line of its own",
        )


def write_experiments(lab: Lab, ran: Sequence[Ran]) -> None:
    """Put the record of each experiment below its entry in lab.yaml; all else stays as it is.

    Raises LabError for an entry that is not written over several lines; lab.yaml stays as it was.
    """
    path = lab.folder / "lab.yaml"
    text = path.read_text(encoding="utf-8")
    for one in ran:
        start, end = _entry(text, one.experiment.name, path)
        lines = _RECORD.sub("", text[start:end])
        record = one.record(recipe_of_experiment(lab, one.experiment))
        text = f"{text[:start]}{lines}    record:\n{_flow(asdict(record), 6)}{text[end:]}"
    path.write_text(text, encoding="utf-8")


def without_records(text: str) -> str:
    """lab.yaml without what `dllab calibrate` writes into it."""
    if calibration := _top_level(text, "calibration"):
        text = text[: calibration.start()] + text[calibration.end() :]
    return _RECORD.sub("", text)


def _entry(text: str, experiment: str, path: Path) -> tuple[int, int]:
    """Where the lines of an experiment begin and end."""
    section = _top_level(text, "experiments")
    lines = rf"^  {re.escape(experiment)}: *\n(?:    .*\n)*"
    found = re.search(lines, section[0], re.MULTILINE) if section else None
    if section is None or found is None:
        raise LabError(
            f"{path}: the entry experiments.{experiment} was not found",
            "write its name on a line of its own, and each key below it on another",
        )
    return section.start() + found.start(), section.start() + found.end()


def _set_number(text: str, criterion: str, key: str, value: float) -> str:
    """Replace a number in a criterion's entry, written on one line or over several.

    One that is equal already stays as it is written: 0.80 would become 0.8.
    """
    section = _top_level(text, "criteria")
    name = re.escape(criterion)
    entry = re.search(rf"^  {name}:.*\n(?:   .*\n)*", section[0], re.MULTILINE) if section else None
    found = re.search(rf"(?<=\b{key}:) *([-\d.e]+)", entry[0]) if entry else None
    if not (section and entry and found) or float(found[1]) == value:
        return text
    start = section.start() + entry.start() + found.start()
    return f"{text[:start]} {value:g}{text[start + len(found[0]) :]}"


def _set_block(text: str, records: Mapping[str, Any]) -> str:
    """Replace the top-level `calibration:` block, or add it at the end."""
    entries = "".join(f"  {id}:\n{_flow(record)}" for id, record in records.items())
    block = f"calibration:\n{entries}"
    found = _top_level(text, "calibration")
    if found is None:
        return f"{text.rstrip()}\n{block}"
    return text[: found.start()] + block + text[found.end() :]


def _top_level(text: str, name: str) -> re.Match[str] | None:
    """A top-level key and all that is indented below it."""
    return re.search(rf"^{name}:.*\n(?:(?:[ \t].*)?\n)*", text, re.MULTILINE)


def _flow(record: Mapping[str, Any], indent: int = 4) -> str:
    """One key a line, lists on that line."""
    lines: Iterator[str] = (
        yaml.safe_dump({key: value}, default_flow_style=True, width=10_000).strip()[1:-1]
        for key, value in record.items()
    )
    return "".join(f"{' ' * indent}{line}\n" for line in lines)
