"""What the servers of official workers share: a clean start, the libraries, and how forks serve.

A server is a new program with a clean environment: nothing that the grader has read, no label, no
hidden item, lies in memory that a worker inherits. It imports torch, Lightning and dllab's worker,
computes on zeros, runs no learner code, and has one thread.
"""

import gc
import importlib
import os
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import dllab
from dllab.sandbox.forking import ForkServer, Request
from dllab.sandbox.room import driver_environment

LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "pydantic")
ROOMS = ("checks", "data", "metrics", "sandbox.worker")
# Of 300 MB in huge pages a fork and its end cost a third. Python's own allocator knows none.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "PYTHONMALLOC": "malloc"}


def server(module: str) -> ForkServer:
    """The client of such a server, which is the program `module`."""
    return ForkServer(module, (), environment())


def environment() -> dict[str, str]:
    """Nothing of the grader's: what workers see of it would be the same for all."""
    one_thread = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")  # a thread pool would not survive a fork
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONPATH": str(Path(dllab.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "WANDB_MODE": "disabled",
        **driver_environment(),  # the linker reads it once, here
        **{f"{library}_NUM_THREADS": "1" for library in one_thread},
        **HUGE_PAGES,
    }


# ------------------------------------------------------------------ the server's end


def preload() -> None:
    """Import what learner code and the worker import; what fails here fails there too.

    Raises RuntimeError when that started a thread: a lock that it holds would stay locked in every
    fork.
    """
    for name in (*LIBRARIES, *(f"dllab.{room}" for room in ROOMS)):
        with suppress(ImportError):
            importlib.import_module(name)
    warm_up()
    threads = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    if len(threads) > 1:
        raise RuntimeError(f"warming up has started threads: {', '.join(threads)}; expected one")
    gc.collect()
    gc.freeze()  # forks then touch fewer pages, and share more


def warm_up() -> None:
    """Compute a little, as a worker does: what torch sets up at its first operations, all forks
    then have. Forward only, since autograd starts threads.
    """
    import torch
    from torch import nn

    from dllab.sandbox.wire import pack, unpack

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)).eval()
    model.load_state_dict(unpack(pack(model.state_dict())))
    with torch.inference_mode():
        pack({"scores": model(torch.zeros(2, 1, 4, 4)).softmax(1)})


def become_worker(
    request: Request, pipes: list[int], confine: Callable[[Request], None]
) -> NoReturn:
    """In a fork: take on the request's environment and rights, serve, and end at once."""
    code = 1
    try:
        _keep_only(pipes)
        os.setsid()
        os.environ.clear()
        os.environ.update(request["environment"])
        tempfile.tempdir = None  # an import may have asked for it, before TMPDIR was set
        confine(request)
        from dllab.sandbox.worker import serve

        serve(3, 4)
        code = 0
    except BaseException:  # noqa: BLE001 - the log is all there is to tell it
        traceback.print_exc()
    finally:
        os._exit(code)


def _keep_only(pipes: list[int]) -> None:
    """Requests on 3, replies on 4, the log on 1 and 2, nothing on 0, and no other open file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    high = [os.dup2(pipe, 1000 + i) for i, pipe in enumerate((nothing, pipes[2], pipes[2], *pipes))]
    for place, descriptor in enumerate(high[:5]):
        os.dup2(descriptor, place)
    os.closerange(5, os.sysconf("SC_OPEN_MAX"))
