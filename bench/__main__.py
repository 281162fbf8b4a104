"""All measurements, one after the other: `make bench`.

    python -m bench [--pairs 5] [--out bench/results.json]

Each script measures both of its sides in one interleaved run, and judges the ratio by the goal that
stands in it. This module only runs them, joins what they write, and prints one Markdown table.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCRIPTS = sorted(file.stem for file in HERE.glob("[a-z]*.py"))


def run(script: str, pairs: int) -> list[dict[str, Any]]:
    """One script's results; what it prints goes on to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        command = [sys.executable, "-m", f"bench.{script}", f"--pairs={pairs}", f"--json={file}"]
        subprocess.run(command, cwd=HERE.parent, stdout=sys.stderr, check=True)
        return list(json.loads(file.read_text(encoding="utf-8"))["results"])


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    head = "| id | value | spread | goal | met | pairs | |\n|---|---|---|---|---|---|---|"
    rows = [
        f"| {r['id']} | {r['value']:g} | {r['low']:g} to {r['high']:g} | {r['goal']:g} "
        f"| {'yes' if r['met'] else 'no'} | {r['pairs']} | {r['why']} |"
        for r in results
    ]
    return "\n".join([head, *rows])


def main() -> None:
    """Measure, write results.json, print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="dllab's speed, as ratios")
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs (default: 5)")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    args = parser.parse_args()
    results = [result for script in SCRIPTS for result in run(script, args.pairs)]
    args.out.write_text(json.dumps({"results": results}, indent=2) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
