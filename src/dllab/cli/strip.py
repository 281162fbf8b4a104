"""`dllab strip [NN …]`: generate what follows from the reference and lab.yaml."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dllab.lab.find import Lab


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "strip",
        help="(authors) generate lab.py and the tables of pages",
        description="Turn each solution region of _author/solution.py into its TODO in lab.py, and "
        "renew the generated tables of the labs' pages and of README.md and docs/.",
    )
    parser.add_argument("labs", metavar="NN", nargs="*", help="labs; all by default")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 with `--check` when anything is stale."""
    from dllab.authoring.generated import project_pages
    from dllab.lab.find import all_labs, find_lab
    from dllab.lab.project import find_root

    root = find_root()
    labs = [find_lab(root, name) for name in args.labs] or all_labs(root)
    done = "stale" if args.check else "written"
    stale = []
    for lab in labs:
        if not lab.solution.is_file():
            print(f"{lab.id}: no reference here")
            continue
        found = list(_renew(lab, check=args.check))
        print(f"{lab.id}: {' and '.join(found)} {done}" if found else f"{lab.id}: fresh")
        stale += found
    for page in [page for page in project_pages(root) if not page.is_fresh]:
        if not args.check:
            page.renew()
        print(f"{page.path.relative_to(root)}: {done}")
        stale.append(page.path.name)
    return int(args.check and bool(stale))


def _renew(lab: "Lab", *, check: bool) -> Iterator[str]:
    """The names of the stale files of a lab; unless only to be checked, each is written."""
    from dllab.authoring.generated import lab_page
    from dllab.authoring.strip import is_fresh, strip

    if not is_fresh(lab):
        if not check:
            strip(lab)
        yield "lab.py"
    page = lab_page(lab)
    if page.path.is_file() and not page.is_fresh:
        if not check:
            page.renew()
        yield "README.md"
