"""`dllab progress`: how far you are, what each passed lab ticked, what to do next."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from dllab.checklist.progress import Progress
    from dllab.checklist.standing import Standing
    from dllab.lab.find import Lab

_NEXT_SHOWN = 3


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Register the command and its merge."""
    parser = subparsers.add_parser("progress", help="how far you are, and what to do next")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="everything, for programs")
    shown.add_argument("--html", type=Path, metavar="FILE", help="draw it as a map to share")
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(metavar="ACTION")
    merge = actions.add_parser("merge", help="take in the progress.json of another machine")
    merge.add_argument("file", type=Path, metavar="FILE")
    merge.set_defaults(run=run_merge)


def run(args: argparse.Namespace) -> int:
    """Show the progress of this copy in the terminal, as JSON or as a page."""
    from dllab.checklist.progress import Progress
    from dllab.checklist.standing import take_stock
    from dllab.checklist.topics import load_checklist
    from dllab.lab.find import finished_labs
    from dllab.lab.project import find_root

    root = find_root()
    progress = Progress.load(root)
    standing = take_stock(load_checklist(root), finished_labs(root), progress)
    if args.json:
        print(json.dumps(_as_json(standing, progress), indent=2, ensure_ascii=False))
    elif args.html:
        _write_map(standing, args.html)
    else:
        _show(standing, progress)
    return 0


def run_merge(args: argparse.Namespace) -> int:
    """Join another progress file into this copy's; merging twice changes nothing."""
    from dllab.checklist.progress import Progress
    from dllab.errors import LabError
    from dllab.lab.project import find_root

    if not args.file.is_file():
        raise LabError(f"there is no file {args.file}", "name the other copy's progress.json")
    progress = Progress.load(find_root())
    progress.merge(Progress.read(args.file))
    progress.save()
    labs, ticks = len(progress.passed_labs), sum(t.done for t in progress.ticks.values())
    print(f"merged; labs passed: {labs}, topics ticked by your word: {ticks}")
    return 0


def _as_json(standing: "Standing", progress: "Progress") -> dict[str, Any]:
    from dataclasses import asdict

    from dllab.lab.spec import LEVELS

    return {
        "levels": {
            level: {
                "topics": asdict(standing.topics_tally(level)),
                "boxes": asdict(standing.boxes_tally(level)),
            }
            for level in LEVELS
        },
        "passes": [asdict(entry) for entry in progress.passes.values()],
        "topics": {
            id: {
                "title": place.topic.title,
                "level": place.topic.level,
                "status": place.status,
                "state": place.state,
                "labs": [lab.id for lab in place.labs],
                "note": place.tick.note if place.tick else "",
            }
            for id, place in standing.places.items()
        },
        "boxes": standing.boxes,
        "next": [
            {
                "lab": lab.id,
                "title": lab.spec.title,
                "command": f"make lab-{lab.number}",
                "ticks": [topic.id for topic in standing.ticked_by(lab)],
            }
            for lab in standing.path
        ],
        "hints": progress.hints,
    }


def _write_map(standing: "Standing", path: Path) -> None:
    from dllab.errors import LabError
    from dllab.report.progress_map import render_map

    try:
        path.write_text(render_map(standing), encoding="utf-8")
    except OSError as error:
        raise LabError(f"cannot write {path}: {error.strerror}") from None
    print(f"wrote {path}: open it in a browser")


def _show(standing: "Standing", progress: "Progress") -> None:
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else 80
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    console.print()
    _print_levels(standing, console)
    _print_passed(standing, progress, console)
    _print_ticks(standing, console)
    _print_next(standing, console)


def _print_levels(standing: "Standing", console: "Console") -> None:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    from dllab.lab.spec import LEVELS

    grid = Table.grid(padding=(0, 2))
    for level in LEVELS:
        topics, boxes = standing.topics_tally(level), standing.boxes_tally(level)
        bar = ProgressBar(total=topics.total, completed=topics.done, width=24)
        at_hand = f"{topics.at_hand} at hand" if topics.at_hand else ""
        grid.add_row(
            level,
            bar,
            f"{topics.done} of {topics.total} topics",
            f"{boxes.done} of {boxes.total} boxes",
            at_hand,
        )
    console.print(grid)
    if any(standing.topics_tally(level).at_hand for level in LEVELS):
        console.print(
            "at hand: what a lab here, or your word (dllab tick), can tick today", style="dim"
        )


def _print_passed(standing: "Standing", progress: "Progress", console: "Console") -> None:
    best = {}
    for entry in sorted(progress.passes.values()):
        best[entry.lab] = entry
    known = {lab.id: lab for place in standing.places.values() for lab in place.passed}
    for lab_id in sorted(best):
        entry, lab = best[lab_id], known.get(lab_id)
        console.print()
        title = f"lab {lab.number} {lab.spec.title}" if lab else lab_id
        console.print(f"✓ {title}", style="bold green", end="")
        console.print(f"  {entry.score:g} / {entry.max_score:g} points, {entry.mode} grade")
        if lab:
            titles = " · ".join(topic.title for topic in standing.ticked_by(lab))
            _print_indented(titles, console)


def _print_ticks(standing: "Standing", console: "Console") -> None:
    places = [place for place in standing.places.values() if place.tick]
    if not places:
        return
    console.print("\nby your word", style="bold")
    for place in places:
        mark = "∞" if place.state == "habit" else "✓"
        note = f": {place.tick.note}" if place.tick and place.tick.note else ""
        _print_indented(f"{mark} {place.topic.title}{note}", console)


def _print_next(standing: "Standing", console: "Console") -> None:
    console.print()
    for index, lab in enumerate(standing.path[:_NEXT_SHOWN]):
        _print_step(lab, standing, console, first=index == 0)
    if not standing.path:
        console.print("No lab is left here. What no program can judge is yours to tick:")
        ids = [
            id for id, place in standing.places.items() if place.status == "self" and not place.done
        ]
        _print_indented(", ".join(ids) or "nothing is left", console)


def _print_step(lab: "Lab", standing: "Standing", console: "Console", *, first: bool) -> None:
    topics = [topic for topic in standing.ticked_by(lab) if not standing.places[topic.id].done]
    console.print("next  " if first else "then  ", style="bold cyan", end="")
    console.print(f"lab {lab.number} {lab.spec.title}: make lab-{lab.number}")
    if first and topics:
        _print_indented("ticks " + " · ".join(topic.title for topic in topics), console)


def _print_indented(text: str, console: "Console") -> None:
    from textwrap import fill

    indent = " " * 6
    wrapped = fill(text, console.width - 2, initial_indent=indent, subsequent_indent=indent)
    console.print(wrapped, style="dim")
