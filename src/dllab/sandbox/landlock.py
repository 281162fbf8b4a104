"""Landlock: this process and its children may touch only the files named, for good.

Constants and their versions: the kernel's Documentation/userspace-api/landlock.rst.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dllab.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
IOCTL_DEV = 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
_FIRST = (1 << 13) - 1
_LATER = {2: 1 << 13, 3: 1 << 14, 5: IOCTL_DEV}  # rename across folders, truncate, device ioctls
_OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | IOCTL_DEV
_MAKE_DEVICES = 1 << 6 | 1 << 11
_TCP_SINCE, _TCP = 4, 3  # bind and connect
_SCOPES_SINCE, _SCOPES = 6, 3  # abstract unix sockets and signals stay among the confined


def version() -> int:
    """Which Landlock this kernel has; 0 for none."""
    if sys.platform != "linux":  # elsewhere the number is another call's
        return 0
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(
    readable: Iterable[Path],
    writable: Iterable[Path],
    *,
    listable: Iterable[Path] = (),
    devices: Iterable[Path] = (),
    sockets: bool = False,
) -> None:
    """Confine this process: read and run below `readable`, all but devices below `writable`.

    `listable` folders show their names, `devices` may be read, written and steered. Paths that do
    not exist are left out. Needs `no_new_privs`. What the kernel's version does not know is not
    restricted. Raises OSError where the kernel refuses.
    """
    abi = version()
    handled = _FIRST | sum(bit for since, bit in _LATER.items() if abi >= since)
    tcp = _TCP if abi >= _TCP_SINCE and not sockets else 0
    scopes = _SCOPES if abi >= _SCOPES_SINCE else 0
    ruleset = kernel.syscall(
        _CREATE_RULESET, struct.pack("=QQQ", handled, tcp, scopes), _ruleset_size(abi), 0
    )
    try:
        for paths, access in (
            (readable, READ),
            (listable, READ_DIR),
            (writable, handled & ~_MAKE_DEVICES & ~IOCTL_DEV),
            (devices, _OF_A_FILE),
        ):
            for path in paths:
                _allow(ruleset, path, access & handled)
        kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _ruleset_size(abi: int) -> int:
    return 8 * (1 + (abi >= _TCP_SINCE) + (abi >= _SCOPES_SINCE))


def _allow(ruleset: int, path: Path, access: int) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            allowed = access if path.is_dir() else access & _OF_A_FILE
            rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, descriptor))
            kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)
