"""What belongs to others: the network, files, secrets, processes, the next submission."""

import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

Targets = Mapping[str, Any]


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
    return " ".join(path for path in targets["secrets"] if is_read(path))


def is_read(path: str) -> bool:
    """Whether a byte of it can be had."""
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
