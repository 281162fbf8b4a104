"""A folder of submissions: whose each is, and what of the folder is none. Nothing is passed over
without a word.
"""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from pathlib import Path, PurePosixPath

from dllab.course.roster import Roster
from dllab.errors import LabError, Ungradable, legible
from dllab.submission import stamps
from dllab.submission.handed_in import is_unpacked
from dllab.submission.intake import read_manifest
from dllab.submission.layout import is_allowed, left_by
from dllab.submission.layouts import LAYOUTS, PLAIN, read_place

PACKED = (".tar", ".tar.gz", ".tgz", ".gz", ".7z", ".rar", ".tar.xz", ".tar.bz2")


@dataclass(frozen=True)
class HandedIn:
    """One submission. `received_at` is what the platform says of it, where it says so."""

    path: Path
    learner: str
    received_at: datetime | None = None
    id: str = ""
    """The platform's number, which tells namesakes apart."""
    known: bool | None = None
    """Whether the roster holds the learner; None without one."""


@dataclass(frozen=True)
class PassedOver:
    """A file that is no submission, by its path within the folder."""

    file: str
    reason: str


@dataclass(frozen=True)
class Gathered:
    """All of a folder's files: each belongs to a submission, or was passed over."""

    submissions: tuple[HandedIn, ...]
    passed_over: tuple[PassedOver, ...]


def gather(
    folder: Path, layout: str = PLAIN, roster: Roster | None = None, *, out: Path | None = None
) -> Gathered:
    """The submissions below a folder, archives and unpacked ones, in the order of their paths.

    The roster decides who a name is, where there is one. Results in `out` are none of them. Raises
    LabError, which names both files, where two learners would become one; for a layout that none
    of the files has; and for a folder without a submission.
    """
    found, passed = _walk(folder, out)
    if not found:
        raise LabError(
            f"{folder} holds no submission", "give the folder of the .zip files that were handed in"
        )
    told = stamps.read_gradescope(folder) if layout == "gradescope" else {}
    submissions: list[HandedIn] = []
    for path in found:
        name = PurePosixPath(path.relative_to(folder).as_posix())
        place = read_place(name, layout, folder.absolute().name)
        if place is None:
            passed.append(PassedOver(str(name), f"its path is not of the layout {layout}"))
            continue
        stamp = told.get(place.learner) or stamps.beside(path)
        for learner, id in stamp.people or [(place.learner, place.id)]:
            one = HandedIn(path, learner, stamp.received_at, id)
            submissions.append(_identify(one, name, roster, layout))
    if not submissions:
        raise LabError(
            f"no submission in {folder} has the layout {layout}: {passed[-1].file}",
            f"the layouts: {', '.join((PLAIN, *LAYOUTS))}, or a path with {{learner}} in it",
        )
    _require_apart(submissions, folder, layout)
    return Gathered(tuple(submissions), tuple(sorted(passed, key=lambda one: one.file)))


def lone(path: Path) -> HandedIn:
    """A single submission, by its plain name."""
    place = read_place(PurePosixPath(path.name), PLAIN, path.absolute().parent.name)
    assert place is not None
    return HandedIn(path, _tidy(place.learner), stamps.beside(path).received_at)


def _walk(folder: Path, out: Path | None) -> tuple[list[Path], list[PassedOver]]:
    found: list[Path] = []
    passed: list[PassedOver] = []

    def pass_over(path: Path, reason: str) -> None:
        passed.append(PassedOver(legible(path.relative_to(folder).as_posix()), reason))

    def cannot(error: OSError) -> None:
        pass_over(Path(error.filename), f"it cannot be read: {error.strerror}")

    for place, folders, files in os.walk(folder, onerror=cannot):
        here = Path(place)
        for name in (name for name in folders if (here / name).is_symlink()):
            pass_over(here / name, "a link to a folder")
        if whole := is_unpacked(here):
            found.append(here)
        folders[:] = [] if whole else sorted(one for one in folders if not _is(here / one, out))
        looked = _none_of_it(here) if whole else _sorted_out(here, sorted(files), folder)
        for path, why in looked:
            if why:
                pass_over(path, why)
            else:
                found.append(path)
    return found, passed


def _is(path: Path, out: Path | None) -> bool:
    return out is not None and path.resolve() == out.resolve()


def _sorted_out(here: Path, files: Sequence[str], folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a folder, each with why it is no submission."""
    for name in files:
        yield here / name, _why_none(name, (here / name).relative_to(folder).as_posix())


def _none_of_it(folder: Path) -> Iterator[tuple[Path, str]]:
    """What lies in an unpacked submission and is none of it."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_dir() and not is_allowed(name):
            yield path, _why_none("", name) or "not a file of a submission"


def _why_none(name: str, path: str) -> str:
    """Why a file is no archive of a submission; empty for one that may be."""
    lower = path.lower()
    if program := left_by(path):
        return f"left by {program}"
    if name in stamps.FILES:
        return "written by the platform"
    if lower.endswith(".zip") and name:
        return ""
    if lower.endswith(PACKED):
        return "another kind of archive: `dllab submit` makes a .zip"
    if lower.endswith((".py", ".ipynb", ".safetensors", ".ckpt", ".pt")):
        return "a part of one alone: a submission is the .zip that `dllab submit` makes"
    return "not a submission" if name else ""


def _identify(one: HandedIn, name: PurePosixPath, roster: Roster | None, layout: str) -> HandedIn:
    """As the roster calls the learner; by the platform's number first."""
    if roster is None or not roster.learners:
        namesake = f"{one.learner}-{one.id}" if layout == "canvas" else one.learner
        return replace(one, learner=_tidy(namesake))
    names = [one.id, one.learner] if layout != "moodle" else [one.learner]
    if layout == PLAIN:
        names += [part.removesuffix(".zip") for part in name.parts]
    known = {found.learner: found for text in names if text and (found := roster.match(text))}
    if layout != PLAIN and known:
        known = dict([next(iter(known.items()))])
    if len(known) > 1:
        raise LabError(
            f"{one.path} names {' and '.join(known)}, both of the roster",
            "say how the folder is laid out: --layout, see docs/instructors.md",
        )
    if not known:
        return replace(one, learner=_tidy(one.learner), known=False)
    return replace(one, learner=next(iter(known)), known=True)


def _tidy(learner: str) -> str:
    return legible(unicodedata.normalize("NFC", learner).strip(), 200)


def _require_apart(submissions: Sequence[HandedIn], folder: Path, layout: str) -> None:
    """Refuse where two people would become one."""
    groups: dict[str, list[HandedIn]] = {}
    for one in submissions:
        groups.setdefault(one.learner, []).append(one)
    for group in groups.values():
        for first, other in combinations(group, 2):
            if not first.known and _are_two(first, other, folder, layout):
                raise LabError(
                    f"{first.path} and {other.path} would both be {first.learner!r}'s",
                    _advice(submissions, folder, layout),
                )


def _are_two(first: HandedIn, other: HandedIn, folder: Path, layout: str) -> bool:
    """Whether one name may stand for two people: in two folders, or with two numbers.

    Two files in one folder are two attempts, unless it is the folder of them all, which is nobody.
    """
    if layout == "moodle":
        return first.id != other.id
    if layout != PLAIN:
        return False
    if first.path.parent != other.path.parent:
        return _same_lab(first, other)
    return first.path.parent == folder and first.learner == _tidy(folder.absolute().name)


def _same_lab(first: HandedIn, other: HandedIn) -> bool:
    """Whether both are of one lab, as far as they say so."""
    labs = set()
    for one in (first, other):
        try:
            labs.add(read_manifest(one.path).lab)
        except (Ungradable, OSError):
            return True
    return len(labs) == 1


def _advice(submissions: Sequence[HandedIn], folder: Path, layout: str) -> str:
    """A layout that tells all of them apart, where there is one."""
    if layout != PLAIN:
        return "give a roster that tells them apart: --roster"
    names = [PurePosixPath(one.path.relative_to(folder).as_posix()) for one in submissions]
    for other in LAYOUTS:
        places = [read_place(name, other, "") for name in names]
        if all(places) and len(set(places)) > 1:
            return f"say how the folder is laid out: --layout {other}?"
    return 'say where the learner stands: --layout "{learner}/*.zip", for example'
