"""All that only a GPU can show, in one command of eleven minutes: `make gpu-check`.

    python -m bench.gpu [--dry-run] [--only gpt labs …] [--minutes 11] [--out FILE]

The steps run one after the other, each in a process of its own and within a time of its own. After
each one the JSON is written (results in the form of bench/results.json, the machine they were taken
on, and what failed) and beside it the same as a table, so that a sudden end loses one step. Nothing
of dllab need be installed: PYTHONPATH=src will do, see bench/gpu/uninstalled.sh. Where there is no
GPU nothing is measured, and nothing is claimed. With --dry-run all of it runs, tiny, on the
processor and in one process: the numbers mean nothing, and are kept only where --out says so.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.measure import ROOT, Result, goals, table

# What each step may take, in seconds. The short ones come first, the longest last.
STEPS = {
    "framework": 75,
    "loader": 45,
    "ranks": 60,
    "sandbox": 75,
    "gpt": 110,
    "labs": 170,
    "precision": 130,
    "parity": 120,
}
LEAST_S = 15  # a step with less than this left is not started
ASK = """
import json, torch
there = torch.cuda.is_available()
name = torch.cuda.get_device_name() if there else ""
print(json.dumps({"gpu": name, "torch": torch.__version__, "cuda": torch.version.cuda or ""}))
"""


@dataclass
class Record:
    """What has been found so far, and on which machine."""

    machine: dict[str, str]
    results: list[Result] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """The JSON, and beside it the same as Markdown."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        file.with_suffix(".md").write_text(self.page(), encoding="utf-8")

    def page(self) -> str:
        """Machine, table, and what is missing."""
        facts = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        ordered = sorted(self.results, key=lambda result: list(goals()).index(result["id"]))
        lost = "".join(f"\nNot measured, {step}: {why}\n" for step, why in self.failed.items())
        return f"{facts}\n\n{table(ordered)}{lost}"


def machine() -> dict[str, str]:
    """GPU ("" for none), its driver, and torch; asked in a process that ends with the answer."""
    asked = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=True, timeout=120
    )
    facts: dict[str, str] = json.loads(asked.stdout.splitlines()[-1])
    if not facts["gpu"]:
        return facts
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return {**facts, "driver": driver[0] if driver else "unknown"}


def run(steps: Sequence[str], seconds: float, *, dry: bool = False) -> tuple[list[Result], str]:
    """What steps find in a process of theirs, and why it is not more; what they print is shown."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        words = [f"--seconds={seconds:.0f}", f"--json={file}", *(["--dry-run"] if dry else [])]
        command = [sys.executable, "-m", "bench.gpu.step", *steps, *words]
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        problem = ""
        try:
            code = process.wait(seconds + LEAST_S)
            problem = f"ended with code {code}" if code else ""
        except subprocess.TimeoutExpired:
            problem = f"did not end within {seconds:.0f} s"
        finally:
            _end(process)
        results = json.loads(file.read_text())["results"] if file.is_file() else []
    return results, problem


def _end(process: subprocess.Popen[bytes]) -> None:
    """The step and whatever it has started and left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def measure(record: Record, steps: list[str], ends: float, out: Path) -> None:
    """All steps in turn, until the time is up."""
    for step in steps:
        left = ends - time.monotonic() - LEAST_S
        print(f"\n{step}, {left:.0f} s left", flush=True)
        found, problem = [], "no time was left"
        if left >= LEAST_S:
            found, problem = run([step], min(STEPS[step], left))
        add(record, step, found, problem)
        record.write(out)


def add(record: Record, step: str, results: list[Result], problem: str) -> None:
    """Take in what a step has brought."""
    record.results += results
    if problem:
        record.failed[step] = problem
        print(f"✗ {step} {problem}", flush=True)


def main() -> int:
    """Exit code 1 where a step failed; a goal that is missed is a result, and no failure."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="dllab on a GPU")
    parser.add_argument("--dry-run", action="store_true", help="tiny, on the processor")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP")
    parser.add_argument("--minutes", type=float, default=11, help="for all of it (default: 11)")
    parser.add_argument("--out", type=Path, help="default: runs/gpu-check.json")
    args = parser.parse_args()
    ends = time.monotonic() + 60 * args.minutes
    record = Record(machine())
    if args.dry_run:
        add(record, "rehearsal", *run(args.only, 60 * args.minutes, dry=True))
        if args.out:
            record.write(args.out)
    elif not record.machine["gpu"]:
        print("No GPU here (torch sees none): nothing was measured, and nothing is claimed.")
        return 0
    else:
        measure(record, args.only, ends, args.out or ROOT / "runs/gpu-check.json")
    print(f"\n{record.page()}", end="")
    return int(bool(record.failed))


if __name__ == "__main__":
    sys.exit(main())
