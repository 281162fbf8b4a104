"""Who handed a file in, by its place: how platforms lay down what they let instructors download."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from dllab.errors import LabError

# `learner` is whom a place names, `id` a number of the platform's that tells namesakes apart.
LAYOUTS: Mapping[str, str] = {
    "nbgrader": r"(?P<learner>[^/]+)/(?P<lab>[^/]+)(/.*)?",
    "canvas": r"(.*/)?(?P<learner>[^/_]+)_(LATE_)?(?P<id>\d+)_\d+_[^/]*",
    "moodle": r"(.*/)?(?P<learner>[^/_]+)_(?P<id>\d+)_assignsubmission_[a-z]+_?(/.*|[^/]*)",
    "gradescope": r"(?P<learner>submission_\d+)(/.*)?",
    "autolab": r"(.*/)?(?P<learner>[^/]+@[^/_]+|[^/_@]+)_(?P<attempt>\d+)_[^/]*",
}
PLAIN = "plain"
FIELDS = ("learner", "id", "lab", "attempt")
# `submission (1)`, `submission-2`, `Submission copy`: the second of its name, as browsers, Canvas
# and file managers call it.
_NAMELESS = re.compile(r"submission(\s*\(\d+\)|[-_ ]\d+|[-_ ]copy)*", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """What a path says. Empty where it does not."""

    learner: str
    id: str = ""


def read_place(path: PurePosixPath, layout: str, around: str) -> Place | None:
    """Whom a path within the folder names; None where it does not have the layout.

    By the plain layout an archive is called as the learner is, or `submission` in a folder that is;
    `around` is the name of the folder of them all. Raises LabError for a layout that is none.
    """
    if layout == PLAIN:
        stem = path.stem if path.suffix.lower() == ".zip" else path.name
        if not _NAMELESS.fullmatch(stem):
            return Place(stem)
        return Place(path.parent.name or around)
    found = compiled(layout).fullmatch(path.as_posix())
    return Place(found["learner"], found.groupdict().get("id") or "") if found else None


def compiled(layout: str) -> re.Pattern[str]:
    """The layout of that name, or a pattern of one's own: `{learner}/hw1/*.zip`.

    Raises LabError for a pattern that does not say where the learner stands.
    """
    if layout in LAYOUTS:
        return re.compile(LAYOUTS[layout])
    names = re.findall(r"\{(\w*)\}", layout)
    if "learner" not in names or not set(names) <= set(FIELDS) or len(names) > len(set(names)):
        raise LabError(
            f"--layout {layout} is no layout",
            f"one of {', '.join((PLAIN, *LAYOUTS))}, or a path with {{learner}} in it, and perhaps "
            f"{', '.join(f'{{{name}}}' for name in FIELDS[1:])} and *: "
            '"{learner}/{lab}/submission.zip"',
        )
    parts = re.split(r"(\{\w+\}|\*)", layout)
    return re.compile("".join(map(_part, parts)), re.IGNORECASE)


def _part(part: str) -> str:
    if part == "*":
        return "[^/]*"
    return f"(?P<{part[1:-1]}>[^/]+?)" if part.startswith("{") else re.escape(part)
