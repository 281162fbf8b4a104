"""`dllab dream NN`: what a trained model shows of itself, as the lab declares it."""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "dream",
        help="let a trained model show what it has learned",
        description="Ask the model of a run for what its lab declares: texts, pictures, tables. "
        "They are printed and kept in the run's report. The same seed gives the same dream.",
        epilog="a submission dreams behind the sandbox of official grading, onto a page of its own",
    )
    parser.add_argument(
        "subject",
        metavar="RUN",
        help="NN for a lab's newest run, a run's id or path, or a submission.zip",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another dream")
    parser.add_argument(
        "--out", type=Path, default=Path("dream.html"), metavar="FILE", help="a submission's page"
    )
    parser.add_argument("--backend", default="auto", help="the sandbox that a submission runs in")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when the model could not show what it was asked for."""
    from dllab.lab.project import find_root
    from dllab.report.terminal import print_dreams
    from dllab.rundir.run import find_run

    root, subject = find_root(), Path(args.subject).expanduser()
    if subject.suffix == ".zip":
        return _dream_archive(root, subject, args)
    from dllab.grading.dreams import dream_run
    from dllab.report.html import write_report
    from dllab.rundir.dreams import write_dreams

    folder = find_run(root, args.subject)
    dreams = dream_run(root, folder, args.seed)
    write_dreams(folder, dreams)
    print_dreams(dreams)
    print(f"\nreport   {write_report(root, folder)}")
    return int(any(one.failure for one in dreams))


def _dream_archive(root: Path, archive: Path, args: argparse.Namespace) -> int:
    from dllab.grading.dreams import dream_archive
    from dllab.report.html import write_dream_page
    from dllab.report.terminal import print_dreams
    from dllab.sandbox.backends import open_backend

    with open_backend(args.backend) as backend:
        lab, dreams = dream_archive(archive, root, backend, args.seed)
    write_dream_page(lab, archive.name, dreams, args.out)
    print_dreams(dreams)
    print(f"\npage     {args.out}")
    return int(any(one.failure for one in dreams))
