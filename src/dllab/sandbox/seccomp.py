"""A seccomp filter: system calls that no lab needs and every escape likes fail with EPERM.

The filter is classic BPF, written here by hand: some sixty comparisons need no library. Numbers:
the kernel's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence

from dllab.sandbox import kernel

# name: (x86_64, aarch64); None where an architecture lacks it
DENIED: dict[str, tuple[int | None, int | None]] = {
    # looking into and steering other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    # other namespaces and other file trees
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # wide doors into the kernel
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "fanotify_init": (300, 262),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    # which pages of a file are in memory: workers of one grade could talk by that
    "fadvise64": (221, 223),
    "readahead": (187, 213),
    "mincore": (27, 232),
    "cachestat": (451, 451),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "io_setup": (206, 0),
    # memory that belongs to no process, so that no limit counts it
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    # running the machine
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
}
LEAVING_THE_GROUP = {"setsid": (112, 157), "setpgid": (109, 154)}
SOCKET, CLONE, CLONE3, IOCTL = (41, 198), (56, 220), (435, 435), (16, 29)
MMAP, MADVISE, PRCTL = (9, 222), (28, 233), (157, 167)
ARCHITECTURES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}

NAMESPACES = 0x7E02_0000  # every CLONE_NEW… flag
SIBLING = 0x8000  # CLONE_PARENT: a child of one's parent, out of the tree that is watched
TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX: typing into somebody's terminal
COLD, PAGEOUT = 20, 21  # advice that throws pages out of memory
SHARED_ANONYMOUS = 0x21  # MAP_SHARED and MAP_ANONYMOUS: no limit of a process counts such pages
UNIX, INTERNET = (socket.AF_UNIX,), (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 16)

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_FIRST_ARGUMENT, _SECOND_ARGUMENT, _THIRD_ARGUMENT, _FOURTH_ARGUMENT = 16, 24, 32, 40
_KILL, _ALLOW = 0x8000_0000, 0x7FFF_0000
_DENY, _ABSENT = 0x0005_0000 | errno.EPERM, 0x0005_0000 | errno.ENOSYS
_X32 = 0x4000_0000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


def is_known() -> bool:
    """Whether the tables here cover this processor."""
    return kernel.machine() in ARCHITECTURES


def install(families: Sequence[int], *, one_group: bool = False) -> None:
    """Filter this process and its children for good; needs `no_new_privs`.

    `families` are the address families that `socket` may open; socket pairs always work. With
    `one_group` no process can leave the process group, so that one signal ends them all.
    """
    code = program(families, one_group=one_group)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("=H6xQ", len(code) // 8, ctypes.addressof(buffer))
    kernel.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(head))


def program(families: Sequence[int], *, one_group: bool = False) -> bytes:
    """The filter as BPF instructions for this processor."""
    column, architecture = ARCHITECTURES[kernel.machine()]
    denied = {**DENIED, **(LEAVING_THE_GROUP if one_group else {})}
    numbers = [pair[column] for pair in denied.values() if pair[column] is not None]
    return b"".join(
        [
            _op(_LOAD, _ARCHITECTURE),
            _op(_EQUAL, architecture, 1, 0),
            _op(_RETURN, _KILL),
            _op(_LOAD, _NUMBER),
            _op(_AT_LEAST, _X32, 0, 1),
            _op(_RETURN, _KILL),
            *(_op(_EQUAL, n, 0, 1) + _op(_RETURN, _DENY) for n in numbers if n is not None),
            _op(_EQUAL, CLONE3[column], 0, 1) + _op(_RETURN, _ABSENT),  # libc then uses clone
            _when(CLONE[column], _FIRST_ARGUMENT, _refuse_bits(NAMESPACES | SIBLING)),
            _when(SOCKET[column], _FIRST_ARGUMENT, _refuse_others(families)),
            _when(IOCTL[column], _SECOND_ARGUMENT, _refuse(TERMINAL_INPUT)),
            _when(MADVISE[column], _THIRD_ARGUMENT, _refuse((COLD, PAGEOUT))),
            # who takes in orphans stays as it is: so they are found, and count
            _when(PRCTL[column], _FIRST_ARGUMENT, _refuse((kernel.PR_SET_CHILD_SUBREAPER,))),
            _when(MMAP[column], _FOURTH_ARGUMENT, _refuse_all_of(SHARED_ANONYMOUS)),
            _op(_RETURN, _ALLOW),
        ]
    )


def _when(number: int, argument: int, then: bytes) -> bytes:
    """For this system call: load an argument (its low half) and decide. Others skip the block."""
    block = _op(_LOAD, argument) + then
    return _op(_EQUAL, number, 0, len(block) // 8) + block


def _refuse_bits(mask: int) -> bytes:
    return _op(_AND, mask) + _op(_EQUAL, 0, 1, 0) + _op(_RETURN, _DENY) + _op(_RETURN, _ALLOW)


def _refuse_all_of(mask: int) -> bytes:
    return _op(_AND, mask) + _op(_EQUAL, mask, 0, 1) + _op(_RETURN, _DENY) + _op(_RETURN, _ALLOW)


def _refuse_others(values: Sequence[int]) -> bytes:
    allowed = b"".join(_op(_EQUAL, value, 0, 1) + _op(_RETURN, _ALLOW) for value in values)
    return allowed + _op(_RETURN, _DENY)


def _refuse(values: Sequence[int]) -> bytes:
    denied = b"".join(_op(_EQUAL, value, 0, 1) + _op(_RETURN, _DENY) for value in values)
    return denied + _op(_RETURN, _ALLOW)


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
