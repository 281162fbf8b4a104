"""`dllab data`: what there is, what is at hand, fetch the rest, check all of it."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dllab.data import DataSet


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    """Register the command and its actions."""
    parser = subparsers.add_parser("data", help="the data sets: list, fetch, verify, build")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what there is, and what is at hand")
    listing.add_argument("--json", action="store_true", help="everything, for programs")
    listing.set_defaults(run=run_list)
    get = actions.add_parser("get", help="fetch a set whole, or pretrained weights")
    get.add_argument("name", metavar="NAME")
    get.set_defaults(run=run_get)
    check = actions.add_parser("verify", help="hash every data file again")
    check.set_defaults(run=run_verify)
    make = actions.add_parser("build", help="for authors: divide a set, write its files and sums")
    make.add_argument("name", metavar="NAME")
    make.set_defaults(run=run_build)


def run_list(args: argparse.Namespace) -> int:
    """Print all sets as a table or as JSON."""
    from dllab.data import catalog
    from dllab.lab.project import enter, find_root

    enter(find_root())
    entries = {name: _entry(dataset) for name, dataset in catalog().items()}
    if args.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    else:
        _print_table(entries)
    return 0


def run_get(args: argparse.Namespace) -> int:
    """Fetch the original source of a set, and decode all splits into the cache; or weights."""
    from dllab.data import find, load, pretrained
    from dllab.data.description import RELEASED
    from dllab.data.fetch import source_rows
    from dllab.data.weights import all_weights
    from dllab.lab.project import enter, find_root

    enter(find_root())
    if args.name in all_weights():
        tensors = pretrained(args.name)
        print(f"{args.name}  {sum(t.numel() for t in tensors.values()):,} numbers")
        return 0
    dataset = find(args.name)
    source_rows(dataset)
    for split in RELEASED:
        tensors = load(dataset.name, split, size="full")
        shapes = ", ".join(f"{key} {list(value.shape)}" for key, value in tensors.items())
        print(f"{dataset.name} {split:5}  {shapes}")
    return 0


def run_verify(_: argparse.Namespace) -> int:
    """Hash every file; name each one that is not as it should be."""
    from dllab.data.files import DataError
    from dllab.data.verify import verify
    from dllab.lab.project import enter, find_root

    enter(find_root())
    findings = list(verify())
    problems = [finding for finding in findings if not finding.ok]
    for finding in problems:
        print(f"✗ {finding.problem}\n  {finding.hint}", file=sys.stderr)
    if problems:
        raise DataError(f"{len(problems)} of {len(findings)} data files are damaged or missing")
    print(f"✓ all {len(findings)} data files are whole")
    return 0


def run_build(args: argparse.Namespace) -> int:
    """Make a set's files anew from its source, and record what was found in its dataset.yaml."""
    from dllab.data import find
    from dllab.data.build import build
    from dllab.lab.project import enter, find_root

    enter(find_root())
    built = build(find(args.name))
    parts = ", ".join(f"{count:,} {part}" for part, count in built.parts.items())
    print(f"{args.name}  {built.rows:,} rows: {parts}")
    return 0


def _entry(dataset: "DataSet") -> dict[str, Any]:
    from dllab.data.fetch import is_at_hand

    about = dataset.about
    return {
        "title": about.title,
        "kind": about.kind,
        "licence": about.licence,
        "parts": dict(dataset.built.parts),
        "columns": {name: str(column) for name, column in about.columns.items()},
        "classes": list(dataset.classes),
        "committed": about.committed,
        "fetched": any(is_at_hand(dataset, source) for source in about.sources),
        "download_bytes": min((s.bytes for s in about.sources if s.bytes), default=0),
        "origin": about.origin,
        "folder": str(dataset.folder),
    }


def _print_table(entries: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "what", "train / val / test", "full adds", "at hand"):
        table.add_column(column)
    for name, entry in entries.items():
        parts = entry["parts"]
        released = " / ".join(f"{parts[part]:,}" for part in ("train", "val", "test"))
        extra = f"{parts['full_extra']:,}" if "full_extra" in parts else ""
        table.add_row(name, entry["title"], released, extra, _at_hand(entry))
    width = None if sys.stdout.isatty() else 120
    Console(width=width, highlight=False, markup=False).print(table)


def _at_hand(entry: dict[str, Any]) -> str:
    megabytes = f"{entry['download_bytes'] / 1e6:.0f} MB"
    if entry["fetched"]:
        return "all of it"
    return f"small; the rest is {megabytes}" if entry["committed"] else f"to fetch: {megabytes}"
