"""Training: `train.py` is the story, the other modules are its props."""

from dllab.training.train import resume, train

__all__ = ["resume", "train"]
