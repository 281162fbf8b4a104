"""The worker where processes share no memory: loaders read their items in the process itself.

    python -P -s -m dllab.sandbox.unshared

A DataLoader's workers hand tensors over in `/dev/shm`, at names that the C library fixes. Where no
wall can mount one of its own, they could not even start. What a loader yields does not depend on
them, so honest code loses time and no point.
"""

import functools
import inspect
from typing import Any

from torch.utils.data import DataLoader

from dllab.sandbox.worker import main as serve

OF_WORKERS = (
    "num_workers",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "prefetch_factor",
    "persistent_workers",
)


def main() -> None:
    """Let loaders do without workers, then serve."""
    read_in_process()
    serve()


def read_in_process() -> None:
    """From now on a DataLoader of this process has no workers, whatever it is asked for."""
    plain = DataLoader.__init__
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def init(*args: Any, **kwargs: Any) -> None:
        asked = signature.bind(*args, **kwargs)
        for name in OF_WORKERS:
            asked.arguments.pop(name, None)
        plain(*asked.args, **asked.kwargs)

    DataLoader.__init__ = init  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
