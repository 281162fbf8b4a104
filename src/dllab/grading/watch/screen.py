"""The state as text: a whole screen for a terminal, a block of lines for everything else."""

import difflib
import os
from collections.abc import Iterator

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dllab.grading.watch.state import WatchState, blocked_by
from dllab.lab.todo import PREFIX
from dllab.result import CheckRow

# mark → (symbol, what stands in for it without Unicode, style)
_MARKS = {
    "pass": ("✓", "ok", "green"),
    "partial": ("◐", "part", "yellow"),
    "fail": ("✗", "FAIL", "red"),
    "skip": ("·", "-", "dim"),
    "sheet": ("·", "-", "dim"),
    "todo": ("○", "todo", "cyan"),
    "wait": ("·", "-", "dim"),
    "error": ("!", "ERR", "magenta"),
    "running": ("▸", ">", "bold yellow"),
}
# What is not plain at sight: said below the list while it is there.
_LEGEND = {
    "partial": "partly right",
    "todo": "its TODO is open",
    "skip": "waits for another check: n shows which",
    "sheet": "has no sheet yet: dllab draw writes it",
}
_PRINTED_LINES = 12
CLEAR = "\x1b[H\x1b[2J\x1b[3J"  # home, the screen, what has scrolled off

KEYS = {
    "h": "hint",
    "n": "next check",
    "d": "diff",
    "r": "run the training",
    "g": "grade",
    "q": "quit",
}


def draw(state: WatchState, console: Console) -> str:
    """The whole screen, clearing what was there; written in one piece it does not flicker."""
    with console.capture() as capture:
        console.print(Group(*_screen(state, console)), end="")
    return CLEAR + capture.get()


def block(state: WatchState, console: Console) -> str:
    """What a save has changed, as lines to append: no cursor, colour only where there is any."""
    listed = [_list(state, console), *_legend(state, console)] if state.checks else []
    parts = [_headline(state), *listed, *_body(state, console, keys=False), Text()]
    with console.capture() as capture:
        console.print(Group(*parts), end="")
    return capture.get()


def difference(before: str, after: str) -> Text:
    """What one text has that the other has not, as a unified diff in colour."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "starter", "lab.py", n=2)
    styles = {"+": "green", "-": "red", "@": "cyan"}
    text = Text(overflow="fold")
    for line in lines:
        text.append(_visible(line.rstrip()) + "\n", style=styles.get(line[:1], "dim"))
    return text or Text("lab.py is the untouched starter\n")


def _screen(state: WatchState, console: Console) -> Iterator[RenderableType]:
    yield _headline(state)
    yield _bar(state, console)
    yield Text()
    yield _list(state, console)
    yield from _legend(state, console)
    yield from _body(state, console, keys=True)
    yield Text()
    yield _keys(state)


def _headline(state: WatchState) -> RenderableType:
    lab = state.lab
    score = f"{state.passed} of {len(state.checks)} checks pass" if state.checks else ""
    line = Table.grid(expand=True)
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    title = Text(f"lab {lab.number} {lab.spec.title}", style="bold")
    title.append(f"  saved {state.saved_at}" if state.saved_at else "", style="not bold dim")
    title.append(", checking" if state.saved_at and state.busy else "", style="not bold yellow")
    line.add_row(title, Text(score, style="green" if state.done else ""))
    return line


def _bar(state: WatchState, console: Console) -> RenderableType:
    if not _unicode(console):
        return Text()
    total = max(len(state.checks), 1)
    return ProgressBar(total, state.passed, complete_style="green", finished_style="green")


def _list(state: WatchState, console: Console) -> RenderableType:
    """Every check with its mark, in as many columns as fit."""
    cells = []
    for one in state.listed:
        mark = "running" if one.id == state.running else state.mark(one.id)
        quiet = mark in ("skip", "sheet", "wait", "todo", "pass")
        cell = _mark(mark, console).append(f" {one.title}", style="not bold dim" if quiet else "")
        if state.focus and one.id == state.focus.id and not state.done:
            cell.stylize("not dim bold")
        cells.append(cell)
    return Columns(cells, column_first=True, equal=True, padding=(0, 3))


def _legend(state: WatchState, console: Console) -> Iterator[RenderableType]:
    """What the marks of the list mean, where that is not plain."""
    marks = {state.mark(one.id) for one in state.listed}
    told = [
        _mark(mark, console).append(f" {text}", style="dim")
        for mark, text in _LEGEND.items()
        if mark in marks
    ]
    if told:
        yield Text("   ").join(told)


def _body(state: WatchState, console: Console, *, keys: bool) -> Iterator[RenderableType]:
    """What to look at now: the error, the check in focus, the TODO, the hint, or the way on."""
    if state.notice:
        yield from (Text(), Text(state.notice, style="dim"))
    if state.broken:
        yield from _broken(state)
    elif not state.checks:
        yield from (Text(), Text("warming up: torch and the lab's checks are imported once", "dim"))
    elif state.done:
        yield from _done(state, keys=keys)
    else:
        if state.focus and state.focus.status != "pass":
            yield from _focus(state, state.focus, console)
        yield from _todo(state)
    if state.hint:
        yield from _hint(state)


def _broken(state: WatchState) -> Iterator[RenderableType]:
    assert state.broken is not None
    yield Text()
    if state.broken.traceback:
        yield _plain(_nearer(state.broken.traceback, state))
        yield Text()
    yield Text(f"✗ {_visible(_nearer(state.broken.what, state))}", style="bold red")
    yield Text("  The checks wait until this is mended.", style="dim")


def _focus(state: WatchState, row: CheckRow, console: Console) -> Iterator[RenderableType]:
    yield Text()
    yield _mark(state.mark(row.id), console).append(f" {row.title}", style="bold")
    yield _inset(Text(row.sentence, style="dim"))
    if task := blocked_by(row):
        if task != row.hint_id:
            yield _inset(Text(f"It runs into the TODO {task}, which is still open.", style="dim"))
        return
    if printed := state.printed.get(row.id, "").rstrip():
        yield _inset(Text("printed", style="dim"))
        yield _inset(_plain("\n".join(printed.splitlines()[-_PRINTED_LINES:])))
    if trace := str(row.evidence.get("traceback", "")):
        yield _inset(_plain(_nearer(trace, state)))
    elif row.message:
        message = Text(_visible(row.message))
        message.highlight_regex(r"\bexpected\b", "bold green")
        message.highlight_regex(r"\bgot\b", "bold red")
        yield _inset(message)


def _todo(state: WatchState) -> Iterator[RenderableType]:
    todo = state.todo
    if todo is None:
        return
    yield Text()
    line = Text(f"TODO {todo.task}", style="bold cyan")
    line.append(f"  {_place(state)}:{todo.line}", style="not bold underline")
    if len(state.todos) > 1:
        line.append(f"  {len(state.todos)} left", style="not bold dim not underline")
    yield line
    yield _inset(Text(_todo_text(state, todo.line) or todo.text))


def _todo_text(state: WatchState, line: int) -> str:
    """The comment above the raise: it says more than its first line, which the raise repeats."""
    try:
        above = state.lab.code.read_bytes().decode(errors="replace").splitlines()[: line - 1]
    except OSError:
        return ""
    comment: list[str] = []
    while above and (text := above.pop().strip()).startswith("#"):
        comment.insert(0, text.lstrip("# "))
        if comment[0].startswith(PREFIX):
            comment[0] = comment[0].partition(": ")[2]
            return " ".join(comment)
    return ""


def _hint(state: WatchState) -> Iterator[RenderableType]:
    assert state.hint is not None
    hint = state.hint
    title = f"hint {hint.step} of {hint.steps}: {hint.task}"
    yield Text()
    yield Panel(
        Text(hint.text), title=Text(title), title_align="left", border_style="cyan", box=box.ROUNDED
    )


def _done(state: WatchState, *, keys: bool) -> Iterator[RenderableType]:
    command = f"dllab train {state.lab.number}"
    yield Text()
    yield Text("All visible checks pass.", style="bold green")
    way = f"Press r to run the training ({command})." if keys else f"Next: {command}"
    yield Text(way)


def _keys(state: WatchState) -> Text:
    line = Text()
    for key, name in KEYS.items():
        bold = "bold green" if key == "r" and state.done else "bold"
        line.append(f" {key} ", style=f"{bold} reverse").append(f" {name}   ", style="dim")
    return line


def _place(state: WatchState) -> str:
    return _nearer(str(state.lab.code), state)


def _nearer(text: str, state: WatchState) -> str:
    """Paths from the project's root on, as they are typed there."""
    return text.replace(f"{state.lab.root}{os.sep}", "")


def _inset(renderable: RenderableType) -> Padding:
    return Padding(renderable, (0, 0, 0, 2), expand=False)


def _plain(text: str) -> Text:
    """A traceback or output as it is: long lines are folded, never cut."""
    return Text(_visible(text), overflow="fold")


def _visible(text: str) -> str:
    """Control characters of learner code never reach the terminal."""
    shown = (
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}"
        for c in text.expandtabs()
    )
    return "".join(shown)


def _mark(mark: str, console: Console) -> Text:
    symbol, plain, style = _MARKS[mark]
    return Text().append(symbol if _unicode(console) else plain, style=style)


def _unicode(console: Console) -> bool:
    return console.encoding.lower().replace("-", "").startswith("utf")
