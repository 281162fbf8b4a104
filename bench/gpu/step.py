"""Steps of `python -m bench.gpu`, in this process: results are printed and written as they come.

python -m bench.gpu.step NAME … [--dry-run] [--seconds 600] [--json FILE]
"""

import argparse
import importlib
import json
import time
from pathlib import Path

from bench.gpu.harness import Plan
from bench.measure import Result, line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--dry-run", action="store_true", help="tiny, on the processor")
    parser.add_argument("--seconds", type=float, default=600, help="what they may take")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    plan = Plan("cpu" if args.dry_run else "cuda", time.monotonic() + args.seconds)
    results: dict[str, Result] = {}  # a step may tell a figure again, once it is better known
    for name in args.names:
        for result in importlib.import_module(f"bench.gpu.{name}").measure(plan):
            results[result["id"]] = result
            print(line(result), flush=True)
            if args.json:
                text = json.dumps({"results": list(results.values())})
                args.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
