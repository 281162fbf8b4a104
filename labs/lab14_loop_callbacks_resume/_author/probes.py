"""Probes of the hidden checks, which enter the sandbox; what is right stays out of it."""

import tempfile
from pathlib import Path
from types import ModuleType

import torch

from dllab.checks import Arrays, Given
from labs.lab14_loop_callbacks_resume.checks import (
    behind,
    counting,
    die_beyond,
    in_a_child,
    labelled,
    to_the_end,
    toy,
    watchers,
)


def killed_hard(lab: ModuleType, given: Given) -> Arrays:
    """What is seen of a whole run, and of one that the kernel killed while it saved.

    All of it on one thread, as the child's part must be: lab.py may have asked for more, and other
    threads round otherwise.
    """
    torch.set_num_threads(1)
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        runs["0"] = to_the_end(lab, given, folder)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.ckpt"

        def die_soon(_loop: object) -> None:
            die_beyond(path.stat().st_size // 2)

        def run() -> None:  # from the seeds on: Python's generator is seeded anew by a fork
            mortal = behind(lab, int(given.kills[0]), die_soon)
            toy(lab, given, counting(lab), mortal, *watchers(lab, folder, every=1)).fit(3)

        in_a_child(run)
        runs["1"] = to_the_end(lab, given, folder, other=1)
    return labelled(**runs)
