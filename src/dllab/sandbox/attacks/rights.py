"""Rights that nobody gave: other processes' memory, the kernel's back doors, devices."""

import ctypes
import errno
import mmap
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from dllab.sandbox.attacks.others import Targets, is_read

_X86 = platform.machine() == "x86_64"
_libc = ctypes.CDLL(None, use_errno=True)


def memory_of_others(targets: Targets) -> str:
    """Look into other processes: ptrace, process_vm_readv, /proc/PID/mem."""
    done = []
    for pid in {*targets["pids"], os.getppid()} - {0}:
        if _syscall((101, 117), 16, pid, 0, 0) == 0:  # PTRACE_ATTACH
            done.append(f"ptrace {pid}")
        try:
            with open(f"/proc/{pid}/mem", "rb"):  # noqa: PTH123
                done.append(f"mem {pid}")
        except OSError:
            pass
    return " ".join(done)


def kernel_doors(_: Targets) -> str:
    """System calls that open the way to an escape."""
    numbers: dict[str, tuple[Any, ...]] = {
        "unshare users": ((272, 97), 0x1000_0000),
        "unshare mounts": ((272, 97), 0x0002_0000),
        "clone users": ((56, 220), 0x1000_0000 | 17, 0, 0, 0, 0),
        "clone3": ((435, 435), 0, 0),
        "mount": ((165, 40), b"none", b"/tmp", b"tmpfs", 0, 0),
        "umount": ((166, 39), b"/proc", 2),
        "pivot_root": ((155, 41), b".", b"."),
        "chroot": ((161, 51), b"."),
        "bpf": ((321, 280), 0, 0, 0),
        "io_uring": ((425, 425), 8, ctypes.create_string_buffer(120)),
        "keyctl": ((250, 219), 0, -3, 1),
        "userfaultfd": ((323, 282), 1),
        "perf": ((298, 241), ctypes.create_string_buffer(b"\1" * 120), 0, -1, -1, 0),
        "memfd": ((319, 279), b"x", 0),
        "shmget": ((29, 194), 0, 4096, 0o1600),
        "handles": ((304, 265), -100, ctypes.create_string_buffer(64), 0),
        "fsopen": ((430, 430), b"tmpfs", 0),
        "modules": ((175, 105), b"", 0, b""),
    }
    refused = (errno.EPERM, errno.ENOSYS)
    return " ".join(
        name for name, (pair, *rest) in numbers.items() if _errno(pair, *rest) not in refused
    )


def page_cache(_: Targets) -> str:
    """Learn which pages of a file are in memory, or throw them out: a letter to the next worker."""
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    size, told = ctypes.c_size_t(mmap.PAGESIZE), ctypes.create_string_buffer(64)
    with open(__file__, "rb") as file:  # noqa: PTH123
        number = file.fileno()
        tries: dict[str, tuple[Any, ...]] = {
            "fadvise": ((221, 223), number, 0, 0, 4),
            "readahead": ((187, 213), number, 0, 4096),
            "mincore": ((27, 232), address, size, told),
            "cachestat": ((451, 451), number, told, told, 0),
            "preadv2": ((327, 286), number, None, 0, 0, 0, 8),
            "pwritev2": ((328, 287), number, None, 0, 0, 0, 8),
            "asynchronous": ((206, 0), 1, told),
            "cold": ((28, 233), address, size, 20),
            "pageout": ((28, 233), address, size, 21),
        }
        return " ".join(
            name for name, (pair, *rest) in tries.items() if _errno(pair, *rest) != errno.EPERM
        )


def _syscall(numbers: tuple[int, int], *arguments: Any) -> int:
    result: int = _libc.syscall(ctypes.c_long(numbers[0 if _X86 else 1]), *arguments)
    return result


def _errno(numbers: tuple[int, int], *arguments: Any) -> int:
    ctypes.set_errno(0)
    result = _syscall(numbers, *arguments)
    if numbers[0] == 56 and result == 0:
        os._exit(0)  # the clone worked, and we are the clone
    return ctypes.get_errno() if result < 0 else 0


def privileges(_: Targets) -> str:
    """Be root, hold a capability, or get one from a setuid program."""
    words = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if line
    )
    found = [
        f"{name} {words[name].strip()}"
        for name in ("CapPrm", "CapEff")
        if int(words[name], 16) & ~4
    ]
    found += [] if words["NoNewPrivs"].strip() == "1" else ["new privileges"]
    found += [] if words["Seccomp"].strip() == "2" else ["no seccomp"]
    return " ".join(found + (["root"] if os.getuid() == 0 else []))


def devices(_: Targets) -> str:
    """Open the machine's disks, memory and hypervisor; make a device."""
    names = ("mem", "kvm", "vda", "sda", "nvme0n1", "fuse", "loop-control", "net/tun")
    found = [name for name in names if is_read(f"/dev/{name}")]
    try:
        os.mknod("device", 0o60600, os.makedev(254, 0))
        found.append("mknod")
    except OSError:
        pass
    return " ".join(found)


def programs(_: Targets) -> str:
    """Gain rights through programs that have them."""
    found = []
    for command in (
        ["su", "-c", "id"],
        ["sudo", "-n", "id"],
        ["mount", "-t", "tmpfs", "x", "/tmp"],  # noqa: S108
    ):
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=10, stdin=subprocess.DEVNULL, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            found.append(command[0])
    return " ".join(found)
