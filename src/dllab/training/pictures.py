"""After the fit: the report's pictures in the trackers, and each tracker's run ended."""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from dllab.report.mistakes import read_mistakes
from dllab.rundir.run import ArmFolder


def finish_trackers(loggers: Sequence[Logger], folder: ArmFolder, set_name: str) -> None:
    """Show what the arm got wrong on the validation split, as report.html does.

    A tracker that is none of ours (the curve) is left alone. The next arm begins a run of its own.
    Without matplotlib, which draws them, there are no pictures.
    """
    trackers = [one for one in loggers if isinstance(one, TensorBoardLogger | WandbLogger)]
    mistakes = read_mistakes(folder, set_name) if trackers else None
    pictures = {}
    if mistakes and find_spec("matplotlib"):
        from dllab.report.pictures import draw_mistakes

        pictures = draw_mistakes(mistakes)
    for tracker in trackers:
        for name, picture in pictures.items():
            if isinstance(tracker, WandbLogger):
                tracker.log_image(name, [picture])
            else:
                tracker.experiment.add_image(name, np.asarray(picture), dataformats="HWC")
        if isinstance(tracker, WandbLogger):
            tracker.experiment.finish()
        else:
            tracker.experiment.close()
