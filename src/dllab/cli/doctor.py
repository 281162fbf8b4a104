"""`dllab doctor [NN …]`: prove that labs are sound; `--sandbox`: that this machine's walls hold."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dllab.authoring.doctor import Diagnosis
    from dllab.authoring.rules import LabCase, Needs
    from dllab.lab.find import Lab


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="(authors) prove that labs are sound",
        description="Prove that starters fail, references pass, mutants are caught, texts are "
        "there, and budgets and thresholds hold. What is proved whole is entered in proved.json, "
        "beside the labs.",
    )
    parser.add_argument("labs", metavar="NN", nargs="*", help="labs; all by default")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fast", action="store_true", help="no generated mutants, no training")
    what.add_argument(
        "--stale", action="store_true", help="run only what proved.json does not prove as it is"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="forks at a time (default: cores)")
    parser.add_argument("--rules", action="store_true", help="list the rules and stop")
    parser.add_argument("--sandbox", action="store_true", help="try to break out of each sandbox")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when every lab is sound, else 1; for the sandbox see `_try_walls`."""
    if args.sandbox:
        return _try_walls(as_json=args.json)
    from dllab.authoring.doctor import RULES, diagnose
    from dllab.lab.find import all_labs, find_lab
    from dllab.lab.project import find_root

    if args.rules:
        print("\n".join(f"{rule.id:14} {rule.sentence}" for rule in RULES))
        return 0
    root = find_root()
    labs = [find_lab(root, name) for name in args.labs] or all_labs(root)
    found = []
    for needs, some in _rounds(labs, args).items():
        diagnoses = diagnose(some, needs=needs, jobs=args.jobs, say=_say)
        _record(diagnoses, needs)
        found += diagnoses
    found.sort(key=lambda diagnosis: labs.index(diagnosis.lab))
    if args.json:
        print(json.dumps({"labs": [_plain(diagnosis) for diagnosis in found]}, indent=1))
    else:
        _print(found)
    return 0 if all(diagnosis.sound for diagnosis in found) else 1


def _rounds(labs: "Sequence[Lab]", args: argparse.Namespace) -> "dict[Sequence[Needs], list[Lab]]":
    """What is to be found out of which labs; in one round for all, unless only the stale parts."""
    from dllab.authoring.proved import needs_of
    from dllab.authoring.rules import ALL, FAST

    rounds: dict[Sequence[Needs], list[Lab]] = {}
    for lab in labs:
        needs = FAST if args.fast else needs_of(lab) if args.stale else ALL
        rounds.setdefault(needs, []).append(lab)
    return rounds


def _record(diagnoses: "Sequence[Diagnosis]", needs: "Sequence[Needs]") -> None:
    """Enter in proved.json what this round has proved whole, and say what it cost."""
    from dllab.authoring.proved import record

    for diagnosis in diagnoses:
        proof = diagnosis.proof(needs)
        if proof.content:
            path = record(diagnosis.lab, proof)
            cost = ", ".join(f"{part} {seconds} CPU-s" for part, seconds in proof.cpu_s.items())
            _say(f"{diagnosis.lab.id} is proved ({cost}), and {path} says so")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _try_walls(*, as_json: bool) -> int:
    """Exit code 0 when a wall works here, and every one that does stops every attack and takes no
    point from honest work; else 4.
    """
    from dllab.errors import InfraError
    from dllab.grading.honest import grade_honestly
    from dllab.sandbox.selftest import prove

    graded = []
    for honest in grade_honestly():
        graded.append(honest)
        if not as_json:
            mark = "✗" if honest.lost else "✓"
            print(f"{mark} {honest.backend:10}  {'Honest work has every point.':62}  {honest.lost}")
    rows = []
    for row in prove():
        rows.append(row)
        if not as_json:
            mark = "✓" if row.stopped else "✗" if row.attack else "-"
            print(f"{mark} {row.backend:10}  {row.title:62}  {row.seen}", flush=True)
    if as_json:
        told = {"honest": [vars(one) for one in graded], "attacks": [vars(row) for row in rows]}
        print(json.dumps(told, indent=1))
    tried = [row for row in rows if row.attack]
    stopped = sum(row.stopped for row in tried)
    print(f"{stopped} of {len(tried)} attacks were stopped", file=sys.stderr)
    sound = tried and stopped == len(tried) and not any(honest.lost for honest in graded)
    return 0 if sound else InfraError.exit_code


def _print(found: "Sequence[Diagnosis]") -> None:
    from dllab.report.table import columns

    header = ["lab", "sound", "checks", "mutants", "generated", "train", "memory"]
    header += ["lab.py", "read", "files", "by hand"]
    rows = [_row(diagnosis) for diagnosis in found]
    print(columns(rows, header=header, right=range(2, len(header))))
    for diagnosis in [diagnosis for diagnosis in found if _is_draft(diagnosis)]:
        _print_draft(diagnosis)
    for diagnosis in [diagnosis for diagnosis in found if diagnosis.faults]:
        print(f"\n{diagnosis.lab.id}")
        remedies = {(fault.rule, fault.remedy): [] for fault in diagnosis.faults}  # type: ignore[var-annotated]
        for fault in diagnosis.faults:
            remedies[fault.rule, fault.remedy].append(fault.message)
        for (rule, remedy), messages in remedies.items():
            print(f"  {rule}")
            print("\n".join(f"    ✗ {message}" for message in messages))
            print(f"    → {remedy}")


def _is_draft(diagnosis: "Diagnosis") -> bool:
    return diagnosis.case is not None and diagnosis.lab.spec.draft


def _print_draft(diagnosis: "Diagnosis") -> None:
    from dllab.authoring.rules_text import unwritten

    print(f"\n{diagnosis.lab.id} is a draft. Still to write:")
    print("\n".join(f"    {place}" for place in unwritten(diagnosis.lab)) or "    nothing")
    print("    → take `draft: true` out of lab.yaml when it is done")


def _row(diagnosis: "Diagnosis") -> tuple[str, ...]:
    m = measures(diagnosis)
    sound = "draft" if _is_draft(diagnosis) else "yes"
    caught = f"{m['caught']}/{m['mutants'] - m['by_score']}"
    trained = "" if m["train_s"] is None else f"{m['train_s']:.0f} s"
    return (
        diagnosis.lab.id,
        sound if diagnosis.sound else f"{len(diagnosis.faults)} faults",
        str(m["checks"]),
        caught,
        generated_text(m),
        trained,
        "" if m["memory_mb"] is None else f"{m['memory_mb']} MiB",
        f"{m['code_lines']} lines",
        f"{m['reading_minutes']} min",
        str(m["files"]),
        f"{m['lines_by_hand']} lines",
    )


def generated_text(m: dict[str, Any]) -> str:
    """`57/58 98%`: caught, of those not called equivalent, and the rate.

    `all 14/14 100%`: the code allows no more than these.
    """
    from dllab.authoring.mutation import SAMPLE

    if not m["generated"]:
        return ""
    serious = m["generated"] - m["equivalent"]
    few = "all " if m["generated"] < SAMPLE else ""
    return f"{few}{m['killed']}/{serious} {m['killed'] / max(1, serious):.0%}"


def measures(diagnosis: "Diagnosis") -> dict[str, Any]:
    """The numbers of a lab, for the table and for JSON."""
    from dllab.authoring.cost import cost_of
    from dllab.authoring.doctor import code_lines, reading_minutes

    lab, case = diagnosis.lab, diagnosis.case
    cost = cost_of(lab)
    trial = case.trial if case else None
    return {
        "checks": len(case.checks) if case else 0,
        "code_lines": code_lines(lab),
        "reading_minutes": reading_minutes(lab),
        "files": cost.files,
        "lines_by_hand": cost.by_hand,
        "train_s": trial.seconds if trial else None,
        "memory_mb": trial.memory_mb if trial else None,
        **_mutation(case),
    }


def _mutation(case: "LabCase | None") -> dict[str, int]:
    if case is None:
        names = ("mutants", "caught", "by_score", "generated", "killed", "equivalent")
        return dict.fromkeys(names, 0)
    criteria = set(case.lab.spec.criteria)
    caught = [mutant for mutant in case.mutants if case.is_caught(mutant)]
    survivors = case.survivors
    return {
        "mutants": len(case.mutants),
        "caught": len(caught),
        "by_score": sum(mutant.catches in criteria for mutant in case.mutants),
        "generated": len(case.generated),
        "killed": len(case.generated) - len(survivors),
        "equivalent": sum(map(case.is_called_equivalent, survivors)),
    }


def _plain(diagnosis: "Diagnosis") -> dict[str, Any]:
    case = diagnosis.case
    survivors = case.survivors if case else []
    return {
        "lab": diagnosis.lab.id,
        "sound": diagnosis.sound,
        "faults": [vars(fault) for fault in diagnosis.faults],
        **measures(diagnosis),
        "survivors": [{"task": m.task, "before": m.before, "after": m.after} for m in survivors],
    }
