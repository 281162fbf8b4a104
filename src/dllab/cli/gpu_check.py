"""`dllab gpu-check`: all that needs a GPU, in one command."""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "gpu-check",
        help="measure what only a GPU can show",
        description="Train the labs on a GPU and measure the speed goals that need one. Without a "
        "GPU nothing is measured, and nothing is claimed.",
    )
    parser.add_argument(
        "--json", type=Path, default=Path("runs/gpu-check.json"), metavar="FILE", help="results"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when no goal was missed, or when there is no GPU; else 1."""
    import torch

    from dllab.lab.project import find_root

    if not torch.cuda.is_available():
        print("No GPU here (torch sees none): nothing was measured, and nothing is claimed.")
        return 0
    from dllab.training.gpu.check import gpu_check

    results = gpu_check(find_root(), args.json)
    print(f"\nwritten to {args.json}")
    return int(any(result["met"] is False for result in results))
