"""`dllab coverage`: which topics and boxes no lab serves yet. For authors."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dllab.checklist.coverage import Coverage
    from dllab.checklist.topics import Topic


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Register the command."""
    parser = subparsers.add_parser("coverage", help="which topics no lab serves yet")
    parser.add_argument("--json", action="store_true", help="the counts alone, for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when every topic and box is accounted for, else 1."""
    from dllab.checklist.coverage import cover, overdue
    from dllab.checklist.topics import load_checklist
    from dllab.lab.find import finished_labs
    from dllab.lab.project import find_root

    root = find_root()
    checklist, labs = load_checklist(root), finished_labs(root)
    coverage = cover(checklist, labs)
    counts = coverage.counts()
    if args.json:
        print(json.dumps(counts, indent=2))
    else:
        _print_counts(counts)
        _print_open(list(checklist.topics.values()), coverage)
        for topic in overdue(checklist, coverage, labs):
            number = topic.how.value if topic.how else ""
            print(f"overdue: lab {number} is here and does not name {topic.id}")
    return 1 if any(count["unaccounted"] for count in counts.values()) else 0


def _print_counts(counts: dict[str, dict[str, int]]) -> None:
    statuses = list(counts["topics"])
    print("        " + "".join(f"{status:>12}" for status in statuses))
    for name, count in counts.items():
        print(f"{name:<8}" + "".join(f"{count[status]:>12}" for status in statuses))


def _print_open(topics: "list[Topic]", coverage: "Coverage") -> None:
    """What is left: planned topics by lab number, then the others by status."""
    rows: dict[str, list[str]] = {}
    for topic in topics:
        status = coverage.topics[topic.id]
        if status != "served":
            lab = f"lab {topic.how.value}" if status == "planned" and topic.how else status
            rows.setdefault(lab, []).append(topic.id)
    print()
    for row, ids in sorted(rows.items(), key=lambda item: (not item[0].startswith("lab"), item)):
        print(f"{row:<12}{', '.join(ids)}")
