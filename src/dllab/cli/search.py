"""`dllab search NN`: hyperparameter search, resumable and shared by any number of workers."""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from dllab.errors import LabError, require

if TYPE_CHECKING:
    import optuna

    from dllab.training.search import Search


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "search",
        help="search for better hyperparameters",
        description="Try hyperparameters of the lab's conf/search.yaml, and report what mattered. "
        "Called again, it goes on with the same study.",
        epilog="example: dllab search 02 --trials 20 --workers 2 trainer.max_epochs=4",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config overrides")
    parser.add_argument(
        "--trials",
        type=int,
        default=20,
        metavar="N",
        help="go on until the study has this many (default: 20)",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes side by side"
    )
    parser.add_argument("--study", default="default", metavar="NAME", help="the study's name")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="a database for workers on several machines (default: SQLite)",
    )
    parser.add_argument("--json", action="store_true", help="print the trials as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the study has all its trials and its report is written."""
    search = _search(args)
    from dllab.training.search import open_study, run_trials

    with open_study(search) as study:  # before any worker does: a database is made once
        # Standard output is for the outcome; what the trials say goes beside it.
        with _helpers(args), redirect_stdout(sys.stderr):
            run_trials(search, study, args.trials)
        _report(search, study, as_json=args.json)
    return 0


def _search(args: argparse.Namespace) -> "Search":
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    if args.trials < 1 or args.workers < 1:
        raise LabError("--trials and --workers count from 1", "leave them out for 20 and 1")
    root = find_root()
    lab = find_lab(root, args.lab)
    if not lab.spec.arms:
        raise LabError(f"{lab.id} trains nothing", "there is nothing to search")
    for package in ("optuna", "matplotlib"):
        require(package, "search", "dllab search")
    from dllab.training.search import Search

    arms = [word.removeprefix("arm=") for word in args.overrides if word.startswith("arm=")]
    rest = tuple(word for word in args.overrides if not word.startswith("arm="))
    arm = arms[-1] if arms else next(iter(lab.spec.arms))
    folder = root / "runs" / lab.id / f"search-{args.study}"
    storage = args.storage or f"sqlite:///{folder / 'study.db'}"
    return Search(root, lab, arm, rest, args.study, storage)


@contextmanager
def _helpers(args: argparse.Namespace) -> Iterator[None]:
    """The other workers, with the same command; all meet in the storage."""
    words = [args.lab, *args.overrides, f"--trials={args.trials}", f"--study={args.study}"]
    if args.storage:
        words.append(f"--storage={args.storage}")
    command = [sys.executable, "-m", "dllab", "search", *words, "--json"]
    workers = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(args.workers - 1)
    ]
    try:
        yield
    except BaseException:
        for worker in workers:
            worker.terminate()
        raise
    finally:
        codes = [worker.wait() for worker in workers]
    if any(codes):
        raise LabError("a worker failed", "its message stands above; the others' trials are kept")


def _command(search: "Search", found: "Mapping[str, float | str]") -> str:
    """What trains the best trial's recipe again, to be pasted into a shell."""
    arm = [f"arm={search.arm}"] if len(search.lab.spec.arms) > 1 else []
    values = (
        f"{key}={value:.8g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in found.items()
    )
    words = [*arm, *search.overrides, *values]
    return " ".join(["dllab train", search.lab.number, *map(shlex.quote, words)])


def _report(search: "Search", study: "optuna.Study", *, as_json: bool) -> None:
    import json

    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.study import StudyDirection

    from dllab.report.search import TrialRow, write_search_report
    from dllab.training.search import DONE

    trials = study.get_trials(deepcopy=False, states=DONE)
    rows = [
        TrialRow(
            trial.number,
            trial.value if trial.state.name == "COMPLETE" else None,
            trial.params,
            trial.user_attrs.get("run", ""),
        )
        for trial in trials
    ]
    finished = [row for row in rows if row.value is not None]
    importance = (
        get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        if len(finished) > 4 and len({row.value for row in finished}) > 1
        else {}
    )
    maximise = study.direction == StudyDirection.MAXIMIZE
    title = f"Lab {search.lab.number} {search.lab.spec.title}, arm {search.arm}"
    path = search.folder / "search.html"
    write_search_report(path, title, rows, importance, maximise=maximise)
    if as_json:
        print(json.dumps([vars(row) for row in rows], indent=2))
        return
    print(f"{len(finished)} trials finished, {len(rows) - len(finished)} stopped early")
    if finished:
        best = study.best_trial
        print(f"best {best.value:.4f} in run {best.user_attrs.get('run', '')}")
        print(f"     {_command(search, best.params)}")
    print(f"report {path}")
