"""dllab: a deep-learning checklist as graded labs.

Importing dllab costs nothing but one import hook.
"""

from dllab import torchvision_hook as torchvision_hook
from dllab.version import __version__

__all__ = ["__version__"]
