"""What the bare sides are told on their command lines."""

import argparse
from collections.abc import Iterable


def words(description: str | None, tasks: Iterable[str]) -> argparse.Namespace:
    """`task`, `feed`, `workers`, `epochs`, `until`, `seed`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("task", choices=list(tasks))
    parser.add_argument("feed", choices=["items", "memory"])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--until", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()
