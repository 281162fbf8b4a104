"""Given to you: a run to kill: `python -m labs.lab14_loop_callbacks_resume.given`.

It saves after every fifth batch to FILE, and goes on from there. At the end it prints
a digest of the weights and removes the file: the digest is the same, however often it was killed.
"""

import hashlib
import tempfile
import time
from pathlib import Path

from dllab.data import load
from labs.lab14_loop_callbacks_resume.lab import (
    Activations,
    Callback,
    Checkpoint,
    EarlyStopping,
    Loop,
    digits_loop,
)

FILE = Path(tempfile.gettempdir()) / "lab14.ckpt"


class Printed(Callback):
    """Prints a line for each epoch, slowly enough to be killed."""

    def on_batch_end(self, loop: Loop) -> None:
        """Take a rest."""
        time.sleep(0.02)

    def on_epoch_end(self, loop: Loop) -> None:
        """Say what was measured."""
        measured = (f"{name} {value:.6f}" for name, value in loop.history[-1].items())
        print(f"epoch {loop.loader.epoch}:", *measured, flush=True)


def main() -> None:
    """Train, or go on training."""
    callbacks = [EarlyStopping(patience=9), Activations(), Printed(), Checkpoint(FILE, every=5)]
    loop = digits_loop(load("digits", "train"), load("digits", "val"), callbacks)
    loop.fit(20)
    weights = b"".join(p.detach().numpy().tobytes() for p in loop.model.parameters())
    print("digest", hashlib.sha256(weights).hexdigest()[:16])
    FILE.unlink()


if __name__ == "__main__":
    main()
