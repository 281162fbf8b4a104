"""`dllab launch slurm NN --nodes 2 --gpus 4 [overrides]`: a batch job for a cluster."""

import argparse
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from dllab.errors import LabError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "launch",
        help="train a lab as a job of a Slurm cluster",
        description="Write a batch script that trains a lab on several nodes, and submit it.",
        epilog="example: dllab launch slurm 06 --nodes 2 --gpus 4 trainer.precision=bf16-mixed",
    )
    parser.add_argument("cluster", choices=["slurm"], help="the kind of cluster")
    parser.add_argument("lab", metavar="NN", help="the lab: 06, ddp, or folder/06")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config overrides")
    parser.add_argument("--nodes", type=_count, default=1, metavar="N", help="machines (1)")
    parser.add_argument(
        "--gpus",
        type=partial(_count, least=0),
        default=1,
        metavar="N",
        help="GPUs of each, with a process each (1); 0: one process, on the processor",
    )
    parser.add_argument("--cpus", type=_count, default=8, metavar="N", help="cores a process (8)")
    parser.add_argument("--time", default="01:00:00", metavar="H:M:S", help="at most (01:00:00)")
    parser.add_argument("--partition", metavar="NAME", help="the queue, where there are several")
    parser.add_argument("--account", metavar="NAME", help="who pays, where somebody must")
    parser.add_argument("--dry-run", action="store_true", help="print the script, submit nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when the script was printed or submitted; 2 for a wrong config or no sbatch."""
    from dllab.config.compose import compose
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    root = find_root()
    lab = find_lab(root, args.lab)
    overrides = [
        "hardware=slurm",
        f"trainer.num_nodes={args.nodes}",
        f"trainer.devices={_tasks(args)}",
        *([] if args.gpus else ["trainer.accelerator=cpu"]),
        *args.overrides,
    ]
    compose(lab, overrides)  # a mistake is told now, not by a job that waited for an hour
    script = batch_script(root, lab.number, overrides, args)
    if args.dry_run:
        print(script, end="")
        return 0
    if shutil.which("sbatch") is None:
        raise LabError(
            "sbatch is not on PATH: this machine is not a login node of a Slurm cluster",
            "--dry-run prints the script, to be submitted from there",
        )
    (root / "runs").mkdir(exist_ok=True)
    return subprocess.run(["sbatch"], input=script, text=True, check=False, cwd=root).returncode


def batch_script(root: Path, number: str, overrides: list[str], args: argparse.Namespace) -> str:
    """A batch script, all of whose tasks inherit the name of the one run folder."""
    wishes = {
        "job-name": f"dllab-{number}",
        "nodes": args.nodes,
        "ntasks-per-node": _tasks(args),
        "gpus-per-node": args.gpus,
        "cpus-per-task": args.cpus,
        "time": args.time,
        "partition": args.partition,
        "account": args.account,
        "output": "runs/slurm-%j.out",
        "signal": "INT@60",  # a minute before the end: save a checkpoint, for --resume
    }
    asked = [f"#SBATCH --{name}={value}" for name, value in wishes.items() if value]
    command = shlex.join([sys.executable, "-m", "dllab", "train", number, *overrides])
    lines = [
        "#!/bin/bash",
        *asked,
        "",
        "set -euo pipefail",
        f"cd {shlex.quote(str(root))}",
        'export DLLAB_RUN="$(date -u +%Y%m%dT%H%M%SZ)-$SLURM_JOB_ID"  # one folder for all tasks',
        'export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"  # since Slurm 22.05 not inherited',
        "",
        f"srun {command}",
    ]
    return "\n".join(lines) + "\n"


def _tasks(args: argparse.Namespace) -> int:
    """How many processes run on a node: one for each GPU, or one without any."""
    return args.gpus or 1


def _count(text: str, least: int = 1) -> int:
    value = int(text)
    if value < least:
        raise argparse.ArgumentTypeError(f"at least {least}")
    return value
