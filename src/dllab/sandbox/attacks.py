"""Escapes to try behind a wall: learner code in the role of a burglar.

`dllab doctor --sandbox` and the tests hand this file to a session as if it had been submitted.
Each function gets targets and returns what it managed to do, in words; nothing means stopped.
It never runs anywhere but behind a wall.
"""

import ctypes
import errno
import json
import mmap
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Targets = Mapping[str, Any]
_X86 = platform.machine() == "x86_64"
_libc = ctypes.CDLL(None, use_errno=True)
MB = 1 << 20


def attempt(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run the attack named in `given`; the loot as text in bytes."""
    call = json.loads(bytes(given["call"].tolist()))
    loot = ATTACKS[call["name"]](call)
    return {"loot": torch.tensor(list(str(loot).encode()), dtype=torch.uint8)}


def network(targets: Targets) -> str:
    """Reach the grader's own listeners: TCP, UDP, and both kinds of unix socket."""
    tries = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", targets["port"])),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", targets["port"])),
        "unix": (socket.AF_UNIX, socket.SOCK_STREAM, targets["unix"]),
        "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + targets["abstract"]),
    }
    return " ".join(name for name, (*kind, address) in tries.items() if _connects(kind, address))


def _connects(kind: Sequence[int], address: Any) -> bool:
    try:
        with socket.socket(*kind) as connection:
            connection.settimeout(2)
            connection.connect(address)
            connection.send(b"hello")
            return kind[1] == socket.SOCK_STREAM
    except OSError:
        return False


def read(targets: Targets) -> str:
    """Read secrets: passwords, hidden labels, the judges, another learner's work."""
    return " ".join(path for path in targets["secrets"] if _is_read(path))


def _is_read(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return bool(file.read(1))
    except OSError:
        return False


def write(targets: Targets) -> str:
    """Leave files where others look for them."""
    done = []
    for folder in targets["folders"]:
        try:
            Path(folder, "burglar").write_text("was here")
            done.append(folder)
        except OSError:
            pass
    for path in targets["files"]:
        try:
            with open(path, "r+b"):  # noqa: PTH123
                done.append(path)
        except OSError:
            pass
        try:
            os.truncate(path, 0)
            done.append(path)
        except OSError:
            pass
    return " ".join(done)


def environment(targets: Targets) -> str:
    """Find the grader's secret in any environment in sight."""
    secret, found = targets["secret"].encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if secret in (folder / "environ").read_bytes():
                found.append(folder.name)
        except OSError:
            pass
    return " ".join(
        found + [name for name, value in os.environ.items() if secret.decode() in value]
    )


def signals(targets: Targets) -> str:
    """Signal the grader, and kill a bystander."""
    return " ".join(str(pid) for pid in targets["pids"] if _is_hit(pid, targets))


def _is_hit(pid: int, targets: Targets) -> bool:
    try:
        os.kill(pid, signal.SIGKILL if pid == targets["bystander"] else 0)
    except OSError:
        return False
    return _is_foreign(pid, targets)  # in a namespace the number may be a process of our own


def _is_foreign(pid: int, targets: Targets) -> bool:
    try:
        return targets["mark"].encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


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


def descriptors(_: Targets) -> str:
    """Use an open file that the grader forgot to close."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
        except OSError:
            continue
        if not target.startswith(("pipe:", "/dev/null", "/proc/")):
            found.append(target)
    return " ".join(found)


def processes_in_sight(targets: Targets) -> str:
    """See what else runs on the machine."""
    try:
        seen = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except PermissionError:
        return ""
    return " ".join(name for name in seen if _is_foreign(int(name), targets))


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
    found = [name for name in names if _is_read(f"/dev/{name}")]
    try:
        os.mknod("device", 0o60600, os.makedev(254, 0))
        found.append("mknod")
    except OSError:
        pass
    return " ".join(found)


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
            block = mmap.mmap(-1, targets["memory"] // 4, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for start in range(0, len(block), 4096):
                block[start] = 1
            time.sleep(20)
            os._exit(0)
    time.sleep(15)
    return "all of it"


def shared_memory(targets: Targets) -> str:
    """Twice the memory that is allowed, as shared pages, which no process's data limit counts."""
    block = mmap.mmap(-1, 2 * targets["memory"])
    for start in range(0, len(block), 4096):
        block[start] = 1
    time.sleep(5)
    return f"{len(block)} bytes"


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


def state_left(targets: Targets) -> str:
    """What an earlier submission left for this one; then leave the same for the next."""
    found = [path for path in _notes(targets) if Path(path).exists()]
    found += ["module"] if getattr(torch, "burgled", None) else []
    found += ["environment"] if "BURGLED" in os.environ else []
    found += ["random"] if torch.initial_seed() == 4242 else []
    found += ["builtins"] if getattr(json, "burgled", None) else []
    found += ["threads"] if torch.get_num_threads() == 3 else []
    for name in (torch, json):
        name.burgled = "yes"  # type: ignore[attr-defined]
    os.environ["BURGLED"] = "yes"
    torch.manual_seed(4242)
    torch.set_num_threads(3)
    for path in _notes(targets):
        with suppress(OSError):
            Path(path).write_text("note")
    return " ".join(found)


def _notes(targets: Targets) -> list[str]:
    folders = ("/tmp", "/dev/shm", "/var/tmp", ".", "/run", targets["home"])  # noqa: S108
    return [f"{folder}/{targets['mark']}" for folder in folders]


ATTACKS: dict[str, Callable[[Targets], str]] = {
    attack.__name__: attack
    for attack in (
        network,
        read,
        write,
        environment,
        signals,
        memory_of_others,
        descriptors,
        processes_in_sight,
        kernel_doors,
        privileges,
        devices,
        programs,
        fork_bomb,
        memory_hog,
        memory_hogs,
        shared_memory,
        disk_filler,
        many_files,
        cpu_hog,
        survivor,
        flood,
        state_left,
    )
}
