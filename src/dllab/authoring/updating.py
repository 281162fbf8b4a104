"""A course brought up to date with the dllab that is installed, and nothing of its learner lost.

What the learner has left as it was brought is replaced; lab.py is merged; of anything else that was
changed the new form is put beside it. So each line of the learner's stays in the file it was in.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merge3 import Merge3

from dllab.authoring.packaged import ARCHIVE, RECORD, Course, digest, unpack
from dllab.errors import LabError
from dllab.lab.encoding import decoded, encoding_of
from dllab.version import __version__

What = Literal["new", "updated", "merged", "conflict", "kept", "removed"]


@dataclass(frozen=True)
class Change:
    """What becomes of one file, named from the course's folder."""

    file: str
    what: What


def update(course: Path, *, dry: bool = False, archive: Path = ARCHIVE) -> list[Change]:
    """Bring a course's files up to date; return what changed. With `dry`, change nothing.

    A `merged` lab.py holds the learner's changes and ours. Where both have changed the same lines,
    a `conflict`, it holds both, between markers as git writes them; in either case the former file
    stays beside it as lab.py.bak. A file that is `kept` has the new form beside it, as NAME.new.
    An update that was cut short is taken up by the next.

    Raises LabError where `dllab init` did not begin the course, or dllab brings no labs.
    """
    before = Course.read(course)
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "fresh"
        unpack(fresh, before.labs, archive)
        after = Course.read(fresh)
        changes = list(_changes(course, fresh, before, after))
        if not dry:
            # starters last: until then an interrupted merge finds what it began from
            for change in sorted(changes, key=lambda change: change.file.endswith("starter.py")):
                _apply(change, course, fresh)
            shutil.copyfile(fresh / RECORD, course / RECORD)
    return changes


def _changes(course: Path, fresh: Path, before: Course, after: Course) -> Iterator[Change]:
    for file in sorted({*before.files, *after.files}):
        mine, base, theirs = (
            digest(course / file),
            before.files.get(file, ""),
            after.files.get(file, ""),
        )
        if what := _fate(mine, base, theirs):
            if what == "kept" and file.endswith("/lab.py"):
                _, clean = merged(course / file, fresh / file)
                what = "merged" if clean else "conflict"
            yield Change(file, what)


def _fate(mine: str, base: str, theirs: str) -> What | None:
    """What becomes of a file with these digests, "" where there is none; None: it stays."""
    match (mine, base, theirs):
        case _ if theirs in (mine, base):
            return None
        case ("", _, _):
            return "new"
        case (_, _, ""):
            return "removed" if mine == base else None
        case _:
            return "updated" if mine == base else "kept"


def merged(mine: Path, theirs: Path) -> tuple[str, bool]:
    """A lab.py with both sides' changes to the starter beside it, and whether none collide."""
    base = mine.with_name("starter.py")
    begun, ours, new = (_lines(path) for path in (base, mine, theirs))
    merge = Merge3(begun, ours, new)
    clean = all(kind != "conflict" for kind, *_ in merge.merge_groups())
    lines = merge.merge_lines(
        name_a="yours",
        name_b=f"dllab {__version__}",
        start_marker="<<<<<<<",
        mid_marker="=======",
        end_marker=">>>>>>>",
    )
    return "".join(lines), clean


def _lines(path: Path) -> list[str]:
    try:
        return decoded(path.read_bytes()).splitlines(keepends=True)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise LabError(
            f"{path} cannot be merged, since it cannot be read: {error}",
            "save it as UTF-8 and update again; nothing has been changed",
        ) from None


def _apply(change: Change, course: Path, fresh: Path) -> None:
    mine, theirs = course / change.file, fresh / change.file
    mine.parent.mkdir(parents=True, exist_ok=True)
    match change.what:
        case "new" | "updated":
            _replace(mine, theirs.read_bytes())
        case "merged" | "conflict":
            text, _ = merged(mine, theirs)
            shutil.copyfile(mine, mine.with_name("lab.py.bak"))
            _replace(mine, text.encode(encoding_of(mine.read_bytes())))
        case "kept":
            _replace(mine.with_name(f"{mine.name}.new"), theirs.read_bytes())
        case "removed":
            mine.unlink()


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)
