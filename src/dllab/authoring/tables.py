"""The tables of pages in Markdown: of a lab's page, and of the pages that list labs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from posixpath import relpath

from dllab.authoring.answers import spread
from dllab.checklist.topics import load_checklist
from dllab.lab.find import Lab, all_labs
from dllab.lab.spec import Criterion, Experiment


def card(lab: Lab) -> str:
    """What one wants to know before beginning: level, time, what it builds on, what it ticks."""
    spec = lab.spec
    topics = load_checklist(lab.root).topics
    rows = [
        ("your time", _hours(sum(spec.minutes.values()))),
        ("training", f"at most {_time(spec.budgets.train_s)}" if spec.arms else ""),
        ("builds on", ", ".join(_required(lab))),
        ("ticks", ", ".join(topics[id].title for id in spec.topics if id in topics)),
    ]
    return _table(("level", spec.level), [row for row in rows if row[1]])


def task_table(lab: Lab) -> str:
    """A row for each task: what goes in, what comes out, what checks it, points, minutes."""
    from dllab.authoring.tasks import tasks_of

    minutes = lab.spec.minutes
    rows: list[tuple[str, ...]] = [
        (
            _code(task.name),
            ", ".join(map(_code, task.takes)),
            task.asks.removeprefix("return "),
            ", ".join(_check(lab, id) for id in task.checks),
            " + ".join(f"{points:g}" for points in task.checks.values()),
            *([f"{minutes.get(task.name, '')}"] if minutes else []),
        )
        for task in tasks_of(lab)
    ]
    header = ("task", "what goes in", "what comes out", "checks", "points")
    return _table((*header, "minutes") if minutes else header, rows)


def experiment_table(lab: Lab) -> str:
    """A row for each experiment: what is changed, and what its recorded runs gave."""
    every = lab.spec.experiments.values()
    measures = list(dict.fromkeys(measure for one in every for measure in one.measures))
    rows: list[tuple[str, ...]] = [
        (
            one.title,
            "a mistake in lab.py" if one.mutant else " ".join(map(_code, one.overrides)),
            *(_given(one, measure) for measure in measures),
            f"{len(one.seeds)}",
        )
        for one in every
    ]
    return _table(("run", "change", *map(_code, measures), "seeds"), rows)


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
        for criterion in spec.measured.values()
    ]
    rows += [
        (one.title + ", required" * one.required, one.asked, "", "", f"{one.points:g}")
        for one in spec.formats.values()
    ]
    rows += list(_check_rows(lab))
    total = spec.total
    rows.append(("**all**", f"{100 * spec.pass_score:g} % pass", "", "", f"**{total:g}**"))
    return _table(("what", "asked", "strong", "worth nothing", "points"), rows)


def labs_table(labs: Sequence[Lab], page: Path) -> str:
    """A row for each lab, with a link from the folder of `page`."""
    rows = [
        (
            _link(lab, page),
            lab.spec.summary.rstrip("."),
            lab.spec.level,
            ", ".join(lab.spec.requires),
        )
        for lab in labs
    ]
    return _table(("lab", "what you do", "level", "builds on"), rows)


def mistakes_table(labs: Sequence[Lab], page: Path) -> str:
    """A row for each lab: its wrong versions, by what they are red in, and how many are named."""
    rows = [(_link(lab, page), *map(str, _mistakes(lab))) for lab in labs]
    header = ("lab", "wrong versions", "in visible checks", "of these named")
    return _table((*header, "in hidden checks", "in the score"), rows)


def _mistakes(lab: Lab) -> tuple[int, int, int, int, int]:
    """How many mutants a lab has, and of each column of `mistakes_table`."""
    from dllab.lab.mutants import load_mutants

    mutants = load_mutants(lab)
    visible = [one for one in mutants if one.catches in lab.spec.visible]
    hidden = [one for one in mutants if one.catches in lab.spec.hidden]
    named = sum(bool(one.says) for one in visible)
    scored = len(mutants) - len(visible) - len(hidden)
    return len(mutants), len(visible), named, len(hidden), scored


def _required(lab: Lab) -> Iterator[str]:
    shelf = {other.number: other for other in all_labs(lab.root)}
    for number in lab.spec.requires:
        known = shelf.get(number)
        yield _link(known, lab.folder / "README.md") if known else f"lab {number}"


def _given(experiment: Experiment, measure: str) -> str:
    recorded = experiment.record.values if experiment.record else {}
    return spread(recorded[measure]) if measure in recorded else ""


def _check(lab: Lab, id: str) -> str:
    return f"{_code(id)}{' (hidden)' * (id in lab.spec.hidden)}"


def _check_rows(lab: Lab) -> Iterator[tuple[str, ...]]:
    spec = lab.spec
    for title, ids in (
        ("visible checks", spec.visible),
        ("hidden checks, in official grading", [id for id in spec.checks if id in spec.hidden]),
    ):
        if ids:
            points = sum(spec.checks[id] for id in ids)
            yield f"{len(ids)} {title}", "each passes", "", "", f"{points:g}"


def _hours(minutes: int) -> str:
    """In half hours, from two hours on; nothing for no minutes."""
    if minutes >= 120:
        return f"about {round(minutes / 30) / 2:g} hours"
    return f"about {minutes} minutes" if minutes else ""


def _time(seconds: float) -> str:
    return f"{seconds:g} seconds" if seconds <= 90 else f"{seconds / 60:.0f} minutes"


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
