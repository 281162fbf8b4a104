"""More than one's share: of processes, memory, disk, time and output."""

import ctypes
import mmap
import os
import signal
import sys
import time
from contextlib import suppress

from dllab.sandbox import kernel, seccomp
from dllab.sandbox.attacks.others import Targets

MB = 1 << 20
CLONE_PARENT = 0x8000


def fork_bomb(targets: Targets) -> str:
    """As many processes as there may be."""
    children: list[int] = []
    try:
        while len(children) <= targets["most"]:
            if (pid := os.fork()) == 0:
                time.sleep(60)
                os._exit(0)
            children.append(pid)
    except OSError:
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return f"{len(children)} processes" if len(children) > targets["most"] else ""


def memory_hog(targets: Targets) -> str:
    """Twice the memory that is allowed, in one process."""
    block = bytearray(2 * targets["memory"])
    return f"{len(block)} bytes"


def memory_hogs(targets: Targets) -> str:
    """Twice the memory that is allowed, a little in each of several processes."""
    for _ in range(8):
        if os.fork() == 0:
            _hold(targets["memory"] // 4)
    time.sleep(15)
    return "all of it"


def shared_memory(targets: Targets) -> str:
    """Twice the memory that is allowed, as shared pages, which no process's data limit counts; and
    let go of, so that no process seems to hold them.
    """
    size, done = 2 * targets["memory"], []
    for name in ("anonymous", "/dev/zero"):
        try:
            number = -1 if name == "anonymous" else os.open(name, os.O_RDWR)
            block = mmap.mmap(number, size, mmap.MAP_SHARED)
        except OSError:
            continue
        for start in range(0, len(block), 4096):
            block[start] = 1
            if start % (64 * MB) == 0:
                block.madvise(mmap.MADV_DONTNEED)
        done.append(name)
    return " ".join(done)


def orphans(targets: Targets) -> str:
    """Twice the memory that is allowed, in processes that nobody below the grader has as parent."""
    libc = ctypes.CDLL(None)
    libc.prctl(kernel.PR_SET_CHILD_SUBREAPER, 0)
    clone = seccomp.CLONE[seccomp.ARCHITECTURES[kernel.machine()][0]]
    for _ in range(8):
        born = libc.syscall(clone, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
        if born == 0:  # our own parent's child
            _hold(targets["memory"] // 4)
        if born < 0 and os.fork() == 0:
            if os.fork() == 0:
                _hold(targets["memory"] // 4)
            os._exit(0)
    time.sleep(15)
    return "all of it"


def _hold(size: int) -> None:
    block = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for start in range(0, len(block), 4096):
        block[start] = 1
    time.sleep(20)
    os._exit(0)


def disk_filler(targets: Targets) -> str:
    """Twice the bytes that are allowed, in scratch and in shared memory."""
    done = []
    for folder in (".", "/dev/shm", "/tmp"):  # noqa: S108
        size, number = 0, 0
        try:
            while size <= 2 * targets["scratch"]:
                number += 1
                with open(f"{folder}/fill{number}", "wb") as file:  # noqa: PTH123
                    size += file.write(b"x" * MB)
        except OSError:
            continue
        done.append(f"{folder}: {size} bytes")
    time.sleep(3)
    return " ".join(done)


def many_files(targets: Targets) -> str:
    """Empty files without number: they cost no bytes, but memory of the kernel."""
    number = 0
    try:
        for number in range(targets["inodes"]):
            os.close(os.open(f"empty{number}", os.O_CREAT | os.O_WRONLY))
    except OSError:
        return ""
    time.sleep(3)
    return f"{number} files"


def cpu_hog(_: Targets) -> str:
    """Burn time in two processes, ignoring the signal that warns."""
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    os.fork()
    while True:
        pass


def survivor(targets: Targets) -> str:
    """Leave a process behind: new session, parent gone, deaf to signals."""
    if os.fork() == 0:
        with suppress(OSError):
            os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.execv(sys.executable, [sys.executable, "-c", _SLEEP, targets["survivor"]])  # noqa: S606
        os._exit(0)
    time.sleep(1)
    return ""


_SLEEP = "import time; time.sleep(600)"


def flood(_: Targets) -> str:
    """More output than anyone can keep."""
    for _line in range(2000):
        os.write(1, b"score: 100\n" * 1000)
    return ""
