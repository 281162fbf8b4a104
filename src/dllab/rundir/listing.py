"""All runs at a glance: a row each, read from two small files, without torch or YAML.

Many runs are read once, and then remembered in `runs/.index.db`.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dllab.result import glance
from dllab.rundir.run import RunFolder, changes
from dllab.version import __version__

if TYPE_CHECKING:
    from pydantic import TypeAdapter

INDEXED = 200  # runs; fewer are read faster than a database is opened


@dataclass(frozen=True)
class RunFiles:
    """What the files of a run say. `metric` and `value` are the lab's first criterion."""

    impl: str
    status: str
    finished: bool = False
    score: float | None = None
    max_score: float | None = None
    passed: bool | None = None
    metric: str = ""
    value: float | None = None
    seconds: float | None = None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunRow(RunFiles):
    """What a table of runs shows: the files' words, and whose they are."""

    id: str
    lab: str
    path: str
    when: str

    @property
    def tried(self) -> tuple[str, ...]:
        """What makes this run an experiment; empty for a full one."""
        return changes(self.overrides)


FORM = f"{__version__} {' '.join(field.name for field in fields(RunFiles))}"


def list_runs(root: Path, lab_id: str = "") -> list[RunRow]:
    """The project's runs, newest first; only one lab's with `lab_id` (`lab03_rnn`).

    A damaged file does not hide its run: what cannot be read is left empty.
    """
    runs = root / "runs"
    folders = list(_folders(runs, lab_id))
    read: Iterable[RunFiles | None] = (_read_run(f"{runs}/{name}") for name in folders)
    if len(folders) >= INDEXED:
        from dllab.rundir.index import remembered

        read = remembered(
            runs / ".index.db", folders, RunFiles, FORM, lambda name: _read_run(f"{runs}/{name}")
        )
    rows = [_row(runs, folder, known) for folder, known in zip(folders, read, strict=True) if known]
    return sorted(rows, key=lambda row: row.id, reverse=True)


def previous_run(root: Path, run: RunFolder) -> RunFolder | None:
    """The newest graded run of the same lab before this one, or None."""
    runs = root / "runs"
    folders = (runs / folder for folder in _folders(runs, run.lab_id))
    earlier = (f for f in folders if f.name < run.id and (f / "result.json").is_file())
    newest = max(earlier, key=lambda folder: folder.name, default=None)
    return RunFolder(newest) if newest else None


def full_run_before(root: Path, run: RunFolder) -> RunFolder | None:
    """The newest graded run before this one that was no experiment, of the same code's kind."""
    impl = run.read_card().get("impl", "mine")
    for row in list_runs(root, run.lab_id):
        if row.id < run.id and row.score is not None and row.impl == impl and not row.tried:
            return RunFolder(Path(row.path))
    return None


def _folders(runs: Path, lab_id: str) -> Iterator[str]:
    """LAB/RUN of each run. scandir, not pathlib: the shelf may hold ten thousand."""
    if not runs.is_dir():
        return
    # a link that leads nowhere, or a file, is no lab's folder
    for lab in sorted(path for path in runs.glob(lab_id or "lab*") if path.is_dir()):
        with os.scandir(lab) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_dir():
                    yield f"{lab.name}/{entry.name}"


def _row(runs: Path, folder: str, read: RunFiles) -> RunRow:
    lab, _, name = folder.partition("/")
    return RunRow(id=name, lab=lab, path=f"{runs}/{folder}", when=_when(name), **vars(read))


def _read_run(folder: str) -> RunFiles | None:
    """What a run's files say; None for the folder of a study or a sweep, which has neither card
    nor config.
    """
    card, result = _read_card(f"{folder}/run.json"), glance(_read(f"{folder}/result.json"))
    if card is None:
        if not os.path.isfile(f"{folder}/config.yaml"):  # noqa: PTH113 - see _folders
            return None
        card = _Card()
    metric = next(iter(result.metrics), None)
    return RunFiles(
        impl=result.impl or card.impl,
        status=result.verdict or card.status,
        finished=card.status == "finished",
        score=result.score,
        max_score=result.max_score,
        passed=result.passed,
        metric=metric.name if metric else "",
        value=metric.value if metric else None,
        seconds=card.cost.wall_s,
        overrides=card.overrides,
    )


@dataclass(frozen=True)
class _Card:
    """What is read of a run card."""

    @dataclass(frozen=True)
    class Cost:
        """What the run has cost so far."""

        wall_s: float | None = None

    impl: str = ""
    status: str = "interrupted"
    cost: Cost = Cost()
    overrides: tuple[str, ...] = ()


def _read_card(path: str) -> _Card | None:
    """The card; None where it is absent or damaged."""
    if not (content := _read(path)):
        return None
    try:
        return _cards().validate_json(content)
    except ValueError:
        return None


@cache
def _cards() -> "TypeAdapter[_Card]":
    from pydantic import TypeAdapter  # here, since commands that list no runs load none of it

    return TypeAdapter(_Card)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - see _folders
            return file.read()
    except OSError:
        return b""


def _when(run_id: str) -> str:
    """`20261121T221144Z-a1b2c3` as local time, `2026-11-21 22:11`; empty for other names."""
    try:
        moment = datetime.fromisoformat(run_id.partition("-")[0])
    except ValueError:
        return ""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
