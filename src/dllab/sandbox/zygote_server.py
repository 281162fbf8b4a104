"""The warm process that official workers are forked from.

    python -P -s -m dllab.sandbox.zygote_server FD      # FD: its end of a socket, see forking
    python -P -s -m dllab.sandbox.zygote_server trial   # does this kernel allow all that?

It lives in a pid namespace of its own (and, where the grader is not root, a user namespace), so
that nothing it ever started can outlive it.
"""

import gc
import importlib
import os
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from dllab.sandbox import kernel
from dllab.sandbox.enter import confine
from dllab.sandbox.forking import Request, answer_forks
from dllab.sandbox.room import furnish
from dllab.sandbox.zygote import decode

LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "pydantic")
ROOMS = ("checks", "data", "metrics", "sandbox.worker")
APART = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)


def main() -> None:
    """Separate from the grader, import, then fork on request until the socket closes."""
    if sys.argv[1] == "trial":
        trial()
        return
    connection = socket.socket(fileno=int(sys.argv[1]))
    separate()
    preload()
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    answer_forks(connection, partial(fork_worker, home), translate=True)


def separate() -> None:
    """Go on as process 2 of a new pid namespace; process 1 and the one outside only wait.

    Each worker is process 1 of a namespace of its own, so its number differs from that of the
    process that it is forked from. Libraries go by the number to see that they were forked;
    filelock, where it misses it, lets no worker fork from Python 3.12 on.

    Whoever is not root becomes the master of a user namespace, which maps nobody else.
    """
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.CLONE_NEWPID | (kernel.CLONE_NEWUSER if os.geteuid() else 0))
    if uid:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    for _ in range(2):
        if pid := os.fork():
            _, status = os.waitpid(pid, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 255)
        kernel.die_with_parent(signal.SIGKILL)


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


def fork_worker(home: int, request: Request, pipes: list[int]) -> int:
    """Fork a worker as process 1 of a new pid namespace; its pid as seen here."""
    kernel.unshare(kernel.CLONE_NEWPID)
    try:
        pid = os.fork()
        if pid == 0:
            _become_worker(request, pipes)
    finally:
        kernel.setns(home, kernel.CLONE_NEWPID)
    return pid


def _become_worker(request: Request, pipes: list[int]) -> NoReturn:
    """Move into the room, give up all rights, serve, and end at once."""
    code = 1
    try:
        _keep_only(pipes)
        _move_in(request)
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


def _move_in(request: Request) -> None:
    room, confinement = decode(request)
    os.setsid()
    kernel.unshare(APART)
    socket.sethostname("localhost")
    if confinement.sockets:
        kernel.raise_loopback()
    furnish(room, confinement.uid)
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # an import may have asked for it, before TMPDIR was set
    confine(confinement)


def trial() -> None:
    """Go through all steps with an empty room; a traceback and exit code 1 where one is refused."""
    separate()
    with tempfile.TemporaryDirectory() as folder:
        request = _empty_request(Path(folder))
        home = os.open("/proc/self/ns/pid", os.O_RDONLY)
        kernel.unshare(kernel.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            _move_in(request)
            os._exit(0)
        kernel.setns(home, kernel.CLONE_NEWPID)
        _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


def _empty_request(scratch: Path) -> dict[str, Any]:
    from dllab.sandbox.identity import spare_uid
    from dllab.sandbox.job import Job
    from dllab.sandbox.limits import Limits
    from dllab.sandbox.zygote import encode

    return encode(Job((), {}, scratch, (), (), (), Limits()), spare_uid())


if __name__ == "__main__":
    main()
