"""All measurements, one after the other: `make bench`.

    python -m bench [--only P1 P7-01 …] [--pairs 5] [--smoke] [--out bench/results.json]

Each script measures both of its sides in one interleaved run; goals.yaml says which script takes
which figure, and what it should be. With --only, the other figures of the file stay as they are.
What needs a GPU is measured by `python -m bench.gpu`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.measure import ROOT, Result, goals, table


def scripts(only: Sequence[str]) -> list[str]:
    """The scripts that take the figures whose ids begin like one of `only`; all, without any."""
    asked = {id: goal for id, goal in goals().items() if not only or id.startswith(tuple(only))}
    found = dict.fromkeys(goal["script"] for goal in asked.values())
    return [script for script in found if not script.startswith("gpu.")]


def run(script: str, words: Sequence[str]) -> list[Result]:
    """One script's results; what it prints goes on to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        command = [sys.executable, "-m", f"bench.{script}", *words, f"--json={file}"]
        subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=True)
        return list(json.loads(file.read_text(encoding="utf-8"))["results"])


def main() -> None:
    """Measure, write the JSON and beside it the same as a Markdown table, print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="dllab's speed, as ratios")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="ids, or beginnings")
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs (default: 5)")
    parser.add_argument("--smoke", action="store_true", help="only see that all of them work")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/results.json")
    args = parser.parse_args()
    known = json.loads(args.out.read_text())["results"] if args.only and args.out.is_file() else []
    found = {result["id"]: result for result in known}
    words = [f"--pairs={args.pairs}", *(["--smoke"] if args.smoke else [])]
    # Two at a time where times do not matter; else nothing runs beside a measurement.
    with ThreadPoolExecutor(2 if args.smoke else 1) as pool:
        for fresh in pool.map(lambda script: run(script, words), scripts(args.only)):
            found |= {result["id"]: result for result in fresh}
            results = [found[id] for id in goals() if id in found]
            write(args.out, results)
    print(table(results), end="")


def write(file: Path, results: Sequence[Result]) -> None:
    """The JSON, and beside it the same as a Markdown table."""
    file.write_text(json.dumps({"results": results}, indent=2) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(table(results), encoding="utf-8")


if __name__ == "__main__":
    main()
