"""When a submission came in and whose it is, as the platform noted it beside the files."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from dllab.errors import LabError

NBGRADER, GRADESCOPE = "timestamp.txt", "submission_metadata.yml"
FILES = (NBGRADER, GRADESCOPE)


@dataclass(frozen=True)
class Stamp:
    """What was noted: people as (name, number), of whom a group has several."""

    people: Sequence[tuple[str, str]] = ()
    received_at: datetime | None = None


def beside(path: Path) -> Stamp:
    """Nbgrader's timestamp.txt, in the folder of a submission."""
    for folder in (path, path.parent):
        with suppress(OSError, UnicodeDecodeError):
            return Stamp(received_at=read_time((folder / NBGRADER).read_text(encoding="utf-8")))
    return Stamp()


def read_gradescope(folder: Path) -> dict[str, Stamp]:
    """Gradescope's submission_metadata.yml, by the names of the folders that it tells of.

    Raises LabError where the file is missing or is not what Gradescope writes.
    """
    file = folder / GRADESCOPE
    try:
        raw = yaml.load(file.read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506 - texts alone
        return {str(name): _gradescope(about) for name, about in raw.items()}
    except (OSError, yaml.YAMLError, AttributeError, TypeError, LookupError) as error:
        raise LabError(
            f"{file} is not what Gradescope writes beside the submissions: {error}",
            "choose Export Submissions in Gradescope, and unpack the whole of it",
        ) from None


def _gradescope(about: Mapping[str, Any]) -> Stamp:
    people = [
        (person.get(":email") or person.get(":name") or "", person.get(":sid") or "")
        for person in about[":submitters"]
    ]
    return Stamp(people, read_time(about.get(":created_at", "")))


def read_time(text: str) -> datetime | None:
    """A moment as platforms write it: `2026-11-20 15:58:23.948203 Europe/Berlin`; None if unknown.

    What has no zone is no moment: nobody is late by a guess.
    """
    day, _, rest = text.strip().partition(" ")
    clock, _, zone = rest.partition(" ")
    with suppress(ValueError, OSError, KeyError):
        moment = datetime.fromisoformat(f"{day}T{clock[:15]}" if clock else day)
        if moment.tzinfo:
            return moment.astimezone(UTC)
        if zone in ("Z", "UTC"):
            return moment.replace(tzinfo=UTC)
        if zone.startswith(("+", "-")):
            return datetime.fromisoformat(f"{moment.isoformat()}{zone}").astimezone(UTC)
        if zone:
            return moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return None
