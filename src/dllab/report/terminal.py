"""The rubric in the terminal: a table in colour where there is one, plain text where not."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dllab.checks.exhibits import Exhibit
from dllab.lab.find import Lab
from dllab.report.advice import Step
from dllab.report.rubric import Rubric, RubricRow, points, read_rubric
from dllab.report.standing import Tried
from dllab.result import Result
from dllab.rundir.dreams import Dreamt

# status → (mark, what stands in for it without Unicode, style)
_MARKS = {
    "pass": ("✓", "ok", "green"),
    "partial": ("◐", "part", "yellow"),
    "fail": ("✗", "FAIL", "red"),
    "skip": ("○", "skip", "dim"),
    "error": ("!", "ERR", "magenta"),
    "review": ("?", "look", "cyan"),
}


def print_rubric(
    result: Result,
    lab: Lab,
    file: TextIO | None = None,
    report: Path | None = None,
    tried: Tried | None = None,
) -> None:
    """Print a result: the table, what is still open and the hint for it, the verdict, the report.

    An experiment (`tried`) is told beside the last full run. Colour and cursor codes are used only
    on a terminal; elsewhere lines are at most 80 wide.
    """
    console = _console(file or sys.stdout)
    rubric = read_rubric(result, lab, tried.overrides if tried else ())
    console.print()
    if rubric.impl == "reference":
        note = "This is the reference solution's run, not yours: it cannot be submitted."
        console.print(_safe(note, console), style="bold yellow")
    console.print(_table(rubric, lab, console))
    for row in rubric.rows:
        left_out = rubric.experiment and row.kind == "metric" and row.status == "skip"
        if row.open and not left_out:
            console.print()
            _print_open(row, console)
    _print_verdict(rubric, console)
    if tried is not None:
        _print_tried(tried, lab, console)
    if report is not None:
        # A path must survive copy and paste: it is never wrapped.
        console.print(f"report   {report}", soft_wrap=True, style="dim")


def print_dreams(dreams: Sequence[Dreamt], file: TextIO | None = None) -> None:
    """Print what a model shows: texts and tables whole, of pictures and points what is written."""
    console = _console(file or sys.stdout)
    for one in dreams:
        console.print()
        console.print(_safe(one.title, console), style="bold")
        if note := one.failure or one.sentence:
            console.print(_safe(note, console), style="yellow" if one.failure else "dim")
        for exhibit in one.exhibits:
            console.print()
            console.print(_safe(exhibit.title, console), style="cyan")
            for part in _exhibit(exhibit, console):
                console.print(Padding(part, (0, 0, 0, 2), expand=False))


def _exhibit(exhibit: Exhibit, console: Console) -> Iterator[RenderableType]:
    """A page shows pictures and points themselves."""
    if exhibit.text:
        yield Text(_safe(exhibit.text, console))
    if exhibit.pictures:
        captions = "\n".join(exhibit.captions)
        yield Text(_safe(captions or f"{len(exhibit.pictures)} pictures", console))
    if exhibit.points:
        yield Text(f"{len(exhibit.points)} points")
    if exhibit.header:
        table = Table(box=None, pad_edge=False)
        for name in exhibit.header:
            table.add_column(_safe(name, console), overflow="fold")
        for row in exhibit.rows:
            table.add_row(*(Text(_safe(cell, console)) for cell in row))
        yield table


def print_steps(steps: Sequence[Step], file: TextIO | None = None) -> None:
    """Print what to do next, each step with the command that takes it."""
    console = _console(file or sys.stdout)
    for number, step in enumerate(steps):
        console.print("next     " if number == 0 else "         ", end="", style="dim")
        console.print(Text(_safe(step.text, console)), soft_wrap=True)
        if step.command:
            console.print(f"         {_to_paste(step.command)}", style="bold", soft_wrap=True)


def _to_paste(command: str) -> str:
    """The command as this shell finds it: make runs dllab without putting it on the PATH."""
    if not command.startswith("dllab ") or shutil.which("dllab"):
        return command
    program = Path(sys.executable).with_name("dllab")
    here = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    return f"{here}{command.removeprefix('dllab')}"


def _console(file: TextIO) -> Console:
    width = None if file.isatty() else 80
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def _table(rubric: Rubric, lab: Lab, console: Console) -> Table:
    title = f"lab {lab.number} {lab.spec.title}, {rubric.mode} grade"
    table = Table(
        title=_safe(title, console),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD if _unicode(console) else None,
        show_edge=False,
        pad_edge=False,
        show_footer=True,
    )
    measures = any(row.measured for row in rubric.rows)
    total = f"{points(rubric.score)} / {points(rubric.max_score)}"
    table.add_column("", no_wrap=True)
    table.add_column("check", "total", overflow="fold")
    if measures:
        table.add_column("measured", no_wrap=True, justify="right")
        table.add_column("asked", no_wrap=True)
    table.add_column("points", total, no_wrap=True, justify="right")
    for row in rubric.rows:
        middle = (row.measured, row.asked) if measures else ()
        earned = f"{points(row.points)} / {points(row.max_points)}" if row.max_points else ""
        cells = (row.title, *middle, earned)
        table.add_row(_mark(row.status, console), *(_safe(cell, console) for cell in cells))
    return table


def _print_open(row: RubricRow, console: Console) -> None:
    console.print(_mark(row.status, console), _safe(row.title, console), style="bold")
    for text in (row.message, row.sentence if not row.message else ""):
        if text:
            console.print(Padding(_safe(text, console), (0, 0, 0, 2), expand=False))
    if row.hint and row.status != "skip":
        console.print(
            Padding(Text(_safe(f"→ {row.hint}", console), style="cyan"), (0, 0, 0, 2), expand=False)
        )


def _print_verdict(rubric: Rubric, console: Console) -> None:
    style = "cyan" if rubric.experiment else "green" if rubric.passed else "red"
    verdict = Text(rubric.headline, style=f"bold {style}")
    verdict.append(
        f"  {points(rubric.score)} of {points(rubric.max_score)} points", style="not bold"
    )
    if rubric.why_not:
        verdict.append(f"; {rubric.why_not}", style="not bold")
    console.print()
    for note in rubric.notes:
        console.print(_safe(note, console), style="dim")
    console.print(verdict)


def _print_tried(tried: Tried, lab: Lab, console: Console) -> None:
    """What was tried, and each criterion beside the last full run."""
    words = " ".join(tried.overrides)
    if tried.full is None:
        told = [f"no full run is graded yet: make lab-{lab.number}"] if tried.strips else []
    else:
        told = [f"the last full run, {tried.full.id}"]
    told += [f"{s.title} {s.value}" + f"; {s.previous}" * bool(s.previous) for s in tried.strips]
    console.print(_safe(f"tried    {words}", console), soft_wrap=True, style="dim")
    for number, line in enumerate(told):
        console.print("beside   " if number == 0 else "         ", end="", style="dim")
        console.print(Text(_safe(line, console)), soft_wrap=True)


def _mark(status: str, console: Console) -> Text:
    mark, plain, style = _MARKS.get(status, _MARKS["error"])
    return Text(mark if _unicode(console) else plain, style=style)


def _safe(text: str, console: Console) -> str:
    """Text that the terminal can show; control characters of learner code never reach it."""
    visible = "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    if _unicode(console):
        return visible
    for symbol, plain in (("≥", ">="), ("≤", "<="), ("→", "->")):
        visible = visible.replace(symbol, plain)
    return visible.encode("ascii", "replace").decode()


def _unicode(console: Console) -> bool:
    return console.encoding.lower().replace("-", "").startswith("utf")
