"""lab.py is generated: the reference with every solution region replaced by its TODO.

# BEGIN SOLUTION task: what the learner reads,
# over as many comment lines as it takes
# | wrong code, for the learner to mend: it stands in the starter as it is
code of the reference
# END SOLUTION

Without lines that begin so there is nothing to mend: the starter raises NotImplementedError there.
"""

import hashlib
import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path

from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.todo import PREFIX

_BEGIN = re.compile(r"(\s*)# BEGIN SOLUTION\s*(?:([\w-]+):)?\s*(.*)")
_END = re.compile(r"\s*# END SOLUTION\s*")
_TO_MEND = re.compile(r"(\s*)# \| ?(.*)")


def make_starter(solution: str, name: str = "solution.py") -> str:
    """The starter text of a solution.

    Raises LabError, with the line number, for a marker that is nested, unclosed, without a task
    name or without text, or a region without code.
    """
    lines = solution.splitlines()
    out: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if _END.fullmatch(line):
            raise LabError(
                f"{name}:{number + 1}: END SOLUTION without a BEGIN", "remove or pair it"
            )
        begin = _BEGIN.fullmatch(line)
        if begin is None:
            out.append(line)
            number += 1
            continue
        end = _region_end(lines, number, name)
        out += _todo_lines(begin, lines[number + 1 : end], f"{name}:{number + 1}")
        number = end + 1
    return "\n".join(out) + "\n"


def solution_regions(solution: str) -> dict[str, tuple[int, int]]:
    """Task → (first, last) line, from 1, of the reference's code between its markers."""
    lines, regions = solution.splitlines(), {}
    for number, line in enumerate(lines):
        if begin := _BEGIN.fullmatch(line):
            end = _region_end(lines, number, "solution.py")
            text = _text_lines(lines[number + 1 : end])
            regions[begin[2]] = (number + 2 + len(text), end)
    return regions


def tasks_to_mend(solution: str) -> set[str]:
    """The tasks for which the starter holds wrong code in place of nothing."""
    lines, found = solution.splitlines(), set()
    for task, (first, _) in solution_regions(solution).items():
        if _TO_MEND.fullmatch(lines[first - 2]):
            found.add(task)
    return found


def without_wrong_code(solution: str) -> str:
    """The solution without the code that it hands out to be mended."""
    lines = solution.splitlines(keepends=True)
    return "".join(line for line in lines if not _TO_MEND.fullmatch(line.rstrip("\n")))


def solution_texts(solution: str) -> dict[str, str]:
    """Task → the first line of its TODO, in the order of the file."""
    found = (_BEGIN.fullmatch(line) for line in solution.splitlines())
    return {begin[2]: begin[3] for begin in found if begin}


def solve(solution: str, task: str, code: str, who: str) -> str:
    """The solution with other code for one task, indented as the region is.

    Raises LabError, in the name of `who` wrote the code, when there is no such task.
    """
    regions = solution_regions(solution)
    if task not in regions:
        raise LabError(f"{who}: there is no task {task!r}", f"the tasks: {', '.join(regions)}")
    first, last = regions[task]
    lines = solution.splitlines(keepends=True)
    indent = lines[last][: -len(lines[last].lstrip())]  # that of the END line
    body = textwrap.indent(textwrap.dedent(code).strip("\n"), indent)
    return "".join([*lines[: first - 1], body + "\n", *lines[last:]])


def starter_text(lab: Lab) -> str:
    """The untouched lab.py: generated where the reference is, else the released `starter.py`."""
    if lab.solution.is_file():
        return make_starter(lab.solution.read_text(encoding="utf-8"), str(lab.solution))
    released = lab.folder / "starter.py"
    if released.is_file():
        return released.read_text(encoding="utf-8")
    raise LabError(
        f"{lab.id} has neither _author/solution.py nor starter.py, so its starter is lost",
        "take the lab's folder from a fresh copy of the course",
    )


def is_untouched(lab: Lab, path: Path | None = None) -> bool:
    """Whether lab.py is byte for byte the starter whose hash lab.yaml records."""
    data = (path or lab.code).read_bytes()
    return hashlib.sha256(data).hexdigest() == lab.spec.starter_sha256


def _region_end(lines: list[str], begin: int, name: str) -> int:
    for number in range(begin + 1, len(lines)):
        if _BEGIN.fullmatch(lines[number]):
            raise LabError(
                f"{name}:{number + 1}: BEGIN SOLUTION inside the one of line {begin + 1}",
                "close the first region before it",
            )
        if _END.fullmatch(lines[number]):
            return number
    raise LabError(f"{name}:{begin + 1}: BEGIN SOLUTION is never closed", "add # END SOLUTION")


def _text_lines(body: list[str]) -> list[str]:
    """The comment lines straight below BEGIN: they continue the TODO's text."""
    count = 0
    while count < len(body) and body[count].lstrip().startswith("# "):
        count += 1
    return body[:count]


def _todo_lines(begin: re.Match[str], body: list[str], place: str) -> list[str]:
    indent, task, first = begin.groups()
    more = _text_lines(body)
    if not task or not first:
        raise LabError(f"{place}: BEGIN SOLUTION needs a task and its text", "write `task: text`")
    if not any(line.strip() for line in body[len(more) :]):
        raise LabError(
            f"{place}: the solution region is empty", "put the reference between the markers"
        )
    message = f"{PREFIX}{task}: {first}".replace("\\", "\\\\").replace('"', '\\"')
    wrong = [f"{line[1]}{line[2]}".rstrip() for line in map(_TO_MEND.fullmatch, more) if line]
    return [
        f"{indent}# {PREFIX}{task}: {first}",
        *(line for line in more if not _TO_MEND.fullmatch(line)),
        *(wrong or [f'{indent}raise NotImplementedError("{message}")']),
    ]


def reset(lab: Lab) -> Path | None:
    """Put the starter back; return the backup of what was there, or None if nothing was lost."""
    starter = starter_text(lab).encode()
    backup = None
    if lab.code.is_file() and lab.code.read_bytes() != starter:
        backup = lab.code.with_name(f"lab-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z.py.bak")
        lab.code.replace(backup)
    lab.code.write_bytes(starter)
    return backup
