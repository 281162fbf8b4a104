"""P4: what the light commands cost, against a Python that does nothing.

    python -m bench.command_line [--pairs 7] [--json FILE]

The value of each is the median of the CPU-seconds of one command, children included; what `python
-c pass` takes in the same pair stands beside it.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GOAL = 0.25  # CPU-seconds
COMMANDS = {"help": ["--help"], "list": ["list"], "progress": ["progress"], "show": ["show", "03"]}


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(name: str, words: list[str], pairs: int) -> dict[str, Any]:
    """One command against an empty Python, in turns."""
    ours, empty = [sys.executable, "-m", "dllab", *words], [sys.executable, "-c", "pass"]
    cpu_seconds(ours)  # byte-compiles
    costs = [(cpu_seconds(empty), cpu_seconds(ours)) for _ in range(pairs)]
    value = statistics.median(cost for _, cost in costs)
    return {
        "id": f"P4-{name}",
        "goal": GOAL,
        "value": round(value, 3),
        "low": round(min(cost for _, cost in costs), 3),
        "high": round(max(cost for _, cost in costs), 3),
        "pairs": pairs,
        "met": value <= GOAL,
        "why": f"CPU-seconds; an empty Python: {statistics.median(e for e, _ in costs):.3f}",
    }


def main() -> None:
    """Print the costs, and write them where asked."""
    parser = argparse.ArgumentParser(description="P4: the light commands")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    results = [measure(name, words, args.pairs) for name, words in COMMANDS.items()]
    for r in results:
        mark = "✓" if r["met"] else "✗"
        print(f"{mark} {r['id']:12} {r['value']:.3f} s, goal {r['goal']} s; {r['why']}")
    if args.json:
        args.json.write_text(json.dumps({"results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
