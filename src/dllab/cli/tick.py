"""`dllab tick TOPIC`: tick by your own word what no program can judge."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dllab.checklist.progress import Progress
    from dllab.checklist.topics import Checklist, Topic
    from dllab.lab.find import Lab


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Register the command."""
    parser = subparsers.add_parser("tick", help="tick a topic that no program can judge")
    parser.add_argument(
        "topic", metavar="TOPIC", nargs="?", help="its id; without one, those that can be ticked"
    )
    parser.add_argument("--note", default="", help="what you did: a link, a date, a sentence")
    parser.add_argument("--undo", action="store_true", help="take the tick back")
    parser.add_argument("--json", action="store_true", help="the tick as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Tick or untick one topic; a hands-on topic is refused."""
    from dllab.checklist.coverage import serving_labs
    from dllab.checklist.progress import Progress
    from dllab.checklist.topics import load_checklist
    from dllab.lab.find import finished_labs
    from dllab.lab.project import find_root

    root = find_root()
    checklist = load_checklist(root)
    if args.topic is None:
        return _list(checklist, Progress.load(root))
    topic = checklist.find(args.topic)
    if topic.hands_on == "yes" and not args.undo:
        _refuse(topic, serving_labs(checklist, finished_labs(root))[topic.id])
    progress = Progress.load(root)
    if args.undo:
        progress.untick(topic.id)
    else:
        progress.tick(topic.id, args.note)
    progress.save()
    if args.json:
        tick = progress.ticks[topic.id]
        print(json.dumps({"topic": topic.id, "done": tick.done, "note": tick.note, "at": tick.at}))
    else:
        print(_answer(topic, args.note, undo=args.undo))
    return 0


def _list(checklist: "Checklist", progress: "Progress") -> int:
    """Every topic that one's own word can tick, by id."""
    from dllab.report.table import columns

    rows = [
        ("✓" if id in progress.ticks and progress.ticks[id].done else "○", id, topic.title)
        for id, topic in checklist.topics.items()
        if topic.hands_on != "yes"
    ]
    print(columns(rows))
    return 0


def _refuse(topic: "Topic", labs: "tuple[Lab, ...]") -> None:
    from dllab.errors import LabError

    if labs:
        way = " or ".join(f"make lab-{lab.number}" for lab in labs)
        hint = f"pass a lab that does: {way}"
    else:
        number = topic.how.value if topic.how else "to come"
        hint = f"lab {number} will; it is planned, not yet here"
    raise LabError(f"{topic.id} is hands-on: passing a lab ticks it, not one's word", hint)


def _answer(topic: "Topic", note: str, *, undo: bool) -> str:
    if undo:
        return f"○ {topic.title}: the tick is taken back"
    if topic.how and topic.how.kind == "never":
        return f"∞ {topic.title}: noted. It is a habit, and never finished"
    hint = "" if note else f'\n  say what it stands on: dllab tick {topic.id} --note "…"'
    return f"✓ {topic.title}{hint}"
