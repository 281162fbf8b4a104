"""dllab's side: train a lab's reference as `dllab train` does, without the grading.

    python -m bench.sides.ours NN [--until SCORE] [overrides …]

Tells the price of the run, without the imports: with --until, of the run up to the validation that
reaches this accuracy, balanced where the lab logs it so; a language model's score is less its nats.
Also `fit_s`, the wall time of the fit alone, and `flops`, of all its steps.
"""

import argparse
from typing import Any

from bench.measure import Cost, Stopwatch, tell
from dllab import training
from dllab.lab.find import find_lab
from dllab.lab.project import find_root
from dllab.training import arm  # noqa: F401 - imported before the watch starts
from dllab.training.flops import CountFlops

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
import lightning as L
from lightning.pytorch.callbacks import Callback


class Watcher(Callback):
    """Reads the watch where the score is reached and the fit stops there, or where it ends."""

    def __init__(self, until: float | None) -> None:
        self._until = until
        self.watch = Stopwatch()
        self.reached: Cost | None = None
        self.fit_s = 0.0
        self.flops = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.fit_s = -self.watch.read().wall_s

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.fit_s += self.watch.read().wall_s
        (counter,) = (each for each in trainer.callbacks if isinstance(each, CountFlops))
        self.flops = counter.total(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        metrics = trainer.callback_metrics
        accuracy = metrics.get("val/balanced_accuracy", metrics.get("val/accuracy"))
        score = -metrics["val/loss"] if accuracy is None else accuracy
        if self._until and self.reached is None and score >= self._until:
            self.reached = self.watch.read()
            trainer.should_stop = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lab")
    parser.add_argument("--until", type=float)
    args, overrides = parser.parse_known_args()
    root = find_root()
    watcher = Watcher(args.until)
    training.train(
        root, find_lab(root, args.lab), ["impl=reference", *overrides], watchers=[watcher]
    )
    cost = watcher.reached or watcher.watch.read()
    told = {"fit_s": watcher.fit_s, "flops": watcher.flops}
    tell(cost, reached=watcher.reached is not None, **told)


if __name__ == "__main__":
    main()
