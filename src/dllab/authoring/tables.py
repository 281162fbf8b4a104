"""The tables of pages in Markdown: of a lab's page, and of the pages that list labs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from posixpath import relpath

from dllab.authoring.tasks import tasks_of
from dllab.lab.find import Lab
from dllab.lab.spec import Criterion


def task_table(lab: Lab) -> str:
    """A row for each task: what goes in, what comes out, what checks it, for how many points."""
    rows: list[tuple[str, ...]] = [
        (
            _code(task.name),
            ", ".join(map(_code, task.takes)),
            task.asks.removeprefix("return "),
            ", ".join(_check(lab, id) for id in task.checks),
            " + ".join(f"{points:g}" for points in task.checks.values()),
        )
        for task in tasks_of(lab)
    ]
    return _table(("task", "what goes in", "what comes out", "checks", "points"), rows)


def rubric_table(lab: Lab) -> str:
    """What earns points: the criteria with their levels, the checks together, what passes."""
    spec = lab.spec
    rows: list[tuple[str, ...]] = [
        (
            criterion.title + ", required" * criterion.required,
            f"{_code(criterion.metric)} {_sign(criterion)} {criterion.target:g}",
            "" if criterion.strong is None else f"{criterion.strong:g}",
            f"{criterion.floor:g}",
            f"{criterion.points:g}",
        )
        for criterion in spec.criteria.values()
    ]
    rows += list(_check_rows(lab))
    total = spec.total
    rows.append(("**all**", f"{100 * spec.pass_score:g} % pass", "", "", f"**{total:g}**"))
    return _table(("what", "asked", "strong", "worth nothing", "points"), rows)


def labs_table(labs: Sequence[Lab], page: Path) -> str:
    """A row for each lab, with a link from the folder of `page`."""
    rows = [(_link(lab, page), lab.spec.summary.rstrip("."), lab.spec.level) for lab in labs]
    return _table(("lab", "what you do", "level"), rows)


def _check(lab: Lab, id: str) -> str:
    return f"{_code(id)}{' (hidden)' * (id in lab.spec.hidden)}"


def _check_rows(lab: Lab) -> Iterator[tuple[str, ...]]:
    spec = lab.spec
    for title, ids in (
        ("visible checks", spec.visible),
        ("hidden checks, in official grading", spec.hidden),
    ):
        if ids:
            points = sum(spec.checks[id] for id in ids)
            yield f"{len(ids)} {title}", "each passes", "", "", f"{points:g}"


def _sign(criterion: Criterion) -> str:
    return "≥" if criterion.target > criterion.floor else "≤"


def _link(lab: Lab, page: Path) -> str:
    where = relpath(lab.folder / "README.md", page.parent)
    return f"[{lab.number} {lab.slug.replace('_', ' ')}]({where})"


def _code(name: str) -> str:
    return f"`{name}`"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ([cell.replace("|", r"\|") for cell in line] for line in (header, *rows))
    first, *others = (f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([first, f"|{'---|' * len(header)}", *others])
