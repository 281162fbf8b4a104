"""The few Linux calls that Python lacks, by ctypes. A refusal is an OSError with its reason."""

import ctypes
import os
import platform
import struct
from contextlib import suppress
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47

CAP_DAC_READ_SEARCH = 2
CAPABILITIES = 64  # room for those to come; the kernel says EINVAL for those it does not know

_CAPABILITY_VERSION_3 = 0x2008_0522
_SYS_MOUNT_SETATTR = 442
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_SEALED = 1 | 2 | 4  # RDONLY, NOSUID, NODEV
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """The processor's name as the tables of system calls spell it."""
    return platform.machine()


def syscall(number: int, *arguments: object) -> int:
    """A system call by number; its result."""
    return _checked(int(_libc.syscall(ctypes.c_long(number), *arguments)), f"syscall {number}")


def prctl(option: int, *arguments: object) -> None:
    """`prctl(2)`; absent arguments are zero."""
    padded = [
        ctypes.c_ulong(argument) if isinstance(argument, int) else argument
        for argument in (*arguments, 0, 0, 0, 0)[:4]
    ]
    _checked(_libc.prctl(option, *padded), f"prctl {option}")


def die_with_parent(signal: int) -> None:
    """Have the kernel send this signal when the thread that started this process is gone."""
    prctl(PR_SET_PDEATHSIG, signal)


def unshare(flags: int) -> None:
    """Leave the namespaces named by CLONE_NEW… flags for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace that an open /proc/PID/ns file stands for."""
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    """`mount(2)`."""
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _checked(result, f"mount {target}")


def seal(target: Path) -> None:
    """Make a mount, and all below it, read-only and blind to devices and setuid bits.

    Unlike a remount, this cannot clear flags that a parent namespace has locked (Linux 5.12).
    """
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_SEALED, 0, 0, 0)
    syscall(
        _SYS_MOUNT_SETATTR, -100, os.fsencode(target), _AT_RECURSIVE, attributes, len(attributes)
    )


def enter_root(root: Path) -> None:
    """Make `root` the root directory and let go of the old one."""
    os.chdir(root)
    syscall(_SYS_PIVOT_ROOT[machine()], b".", b".")  # the old root now lies over the new one
    _checked(_libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")


def permitted_capabilities() -> int:
    """The mask of those that this process may use."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1], 16) for line in status.splitlines() if "CapPrm" in line)


def drop_bounding(keep: int = 0) -> None:
    """Make sure that no program can bring a capability back, but those in the mask `keep`.

    An ordinary user may not do this, and need not: no_new_privs stands in for it.
    """
    for capability in range(CAPABILITIES):
        if not keep >> capability & 1:
            with suppress(OSError):
                prctl(PR_CAPBSET_DROP, capability)


def drop_capabilities(keep: int = 0) -> None:
    """Give up every capability but those in the mask `keep`; these stay through an exec."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    low, high = keep & 0xFFFF_FFFF, keep >> 32
    _checked(_libc.capset(header, struct.pack("=6I", low, low, low, high, high, high)), "capset")
    for capability in range(CAPABILITIES):
        if keep >> capability & 1:
            prctl(PR_CAP_AMBIENT, 2, capability)


def raise_loopback() -> None:
    """Switch on `lo` in a new network namespace, which has no other interface."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("=16sh22x", b"lo", _IFF_UP))


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
