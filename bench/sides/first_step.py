"""Run a module as `python -m MODULE …` does, and end it behind its first optimiser step."""

import os
import runpy
import sys

from torch.optim.optimizer import register_optimizer_step_post_hook

if __name__ == "__main__":
    register_optimizer_step_post_hook(lambda *_: os._exit(0))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
