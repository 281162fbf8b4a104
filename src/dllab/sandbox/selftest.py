"""`dllab doctor --sandbox`: real escapes against every wall of this machine, and what came of them.

Each attack runs as learner code in a session of its own wall. What it claims is one half of the
proof; the other half is looked at from outside: listeners that heard nothing, files that are whole,
a bystander that lives, no process left over.
"""

import json
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import psutil
import torch

from dllab.lab.find import Lab
from dllab.sandbox import attacks
from dllab.sandbox.backends import Backend, official_backends
from dllab.sandbox.limits import MB, Limits
from dllab.sandbox.reply import Reply
from dllab.sandbox.session import Session
from dllab.sandbox.watch import INODES

LIMITS = Limits(
    request_s=40,
    total_s=600,
    cpu_s=30,
    memory_mb=1200,
    scratch_mb=16,
    processes=48,
    log_bytes=4096,
)
CPU_LIMITS = replace(LIMITS, cpu_s=8)
# What each attack should meet: nothing got, or a worker that was ended for this reason.
EXPECTED: dict[str, tuple[str, ...]] = {
    "memory_hog": ("memory",),
    "memory_hogs": ("memory",),
    "orphans": ("memory",),
    "fork_bomb": ("", "memory"),
    "shared_memory": ("", "memory"),
    "cpu_hog": ("timeout",),
    "disk_filler": ("", "output"),
    "many_files": ("", "output"),
}
VIOLENT = {*EXPECTED, "survivor", "flood", "state_left"}
LAB_YAML = """
title: A lab for burglars
summary: Nothing is learned here.
level: advanced
topics: []
exports: [attempt]
checks: {attempt: 1}
hints: {}
pass_score: 1
starter_sha256: none
"""
PROBE = "def attempt(lab, given):\n    return lab.attempt(given)\n"


@dataclass(frozen=True)
class Row:
    """One attack on one wall: whether it was stopped, and what was seen."""

    backend: str
    attack: str
    title: str
    stopped: bool
    seen: str


def prove(names: Sequence[str] = tuple(attacks.ATTACKS)) -> Iterator[Row]:
    """Every named attack on every official wall; a wall that does not work here is one row."""
    for wall in official_backends():
        if problem := wall.problem():
            yield Row(wall.name, "", "works on this machine", stopped=False, seen=problem)
            continue
        with Burglary(wall) as burglary:
            for name in names:
                yield burglary.attempt(name)


class Burglary:
    """A machine's treasures, a wall around the burglar, and a look at the treasures afterwards."""

    def __init__(self, wall: Backend) -> None:
        self._wall = wall
        self._mark = f"dllab-{secrets.token_hex(8)}"
        self._secret = secrets.token_hex(16)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="dllab-treasure-")
        root = Path(self._folder.name).resolve()
        root.chmod(0o755)
        self._lab = _make_lab(root)
        self._lab.spec  # noqa: B018 - read now: a project keeps what it has read, as a new file
        self._code = Path(shutil.copy(attacks.__file__, root / "mine.py"))
        self._answers = root / "labels.safetensors"
        self._answers.write_text(self._secret)
        self._open_folder = root / "open"
        self._open_folder.mkdir()
        self._open_folder.chmod(0o777)
        self._bystander = subprocess.Popen(
            (sys.executable, "-c", "import time; time.sleep(3600)", self._mark),
            env={"SECRET": self._secret},
        )
        self._listeners = _listen(root / "socket", self._mark)
        self._session = Session(self._lab, self._code, self._wall, LIMITS)
        return self

    def __exit__(self, *_: object) -> None:
        self._session.__exit__(None, None, None)
        self._bystander.kill()
        self._bystander.wait()
        for listener in self._listeners:
            listener.close()
        self._folder.cleanup()

    def attempt(self, name: str) -> Row:
        """Let one attack run; the violent ones in a session of their own."""
        before = _photograph(self._lab.root)
        if name in VIOLENT:
            limits = CPU_LIMITS if name == "cpu_hog" else LIMITS
            with Session(self._lab, self._code, self._wall, limits) as session:
                reply = self._call(session, name)
        else:
            reply = self._call(self._session, name)
        seen = " ".join(filter(None, (_loot(name, reply), self._damage(before))))
        title = (attacks.ATTACKS[name].__doc__ or "").strip().partition("\n")[0]
        return Row(self._wall.name, name, title, stopped=not seen, seen=seen)

    def _call(self, session: Session, name: str) -> Reply:
        call = json.dumps({"name": name, **self._targets()})
        return session.probe("checks", "attempt", {"call": _bytes(call)}, seed=0)

    def _targets(self) -> dict[str, Any]:
        lab, root = self._lab, self._lab.root
        bystander = self._bystander.pid
        return {
            "mark": self._mark,
            "secret": self._secret,
            "secrets": [
                "/etc/shadow",
                str(self._answers),
                str(lab.folder / "_author" / "checks.py"),
                f"/proc/{bystander}/environ",
                f"/proc/{bystander}/root{self._answers}",
                str(Path.home() / ".ssh"),
            ],
            "folders": [str(self._open_folder), str(lab.folder), str(root), "/", "/etc", "/usr"],
            "files": [str(self._answers), str(lab.folder / "checks.py"), str(self._code)],
            "pids": [bystander, psutil.Process().pid],
            "bystander": bystander,
            "port": self._listeners[0].getsockname()[1],
            "unix": str(root / "socket"),
            "abstract": self._mark,
            "most": LIMITS.processes,
            "memory": LIMITS.memory_mb * MB,
            "scratch": LIMITS.scratch_mb * MB,
            "inodes": 2 * INODES,
            "survivor": f"{self._mark}-survivor",
            "home": str(Path.home()),
        }

    def _damage(self, before: dict[str, tuple[int, float]]) -> str:
        """What can be seen from outside."""
        found = []
        if any(_was_called(listener) for listener in self._listeners):
            found.append("a listener was called")
        if _photograph(self._lab.root) != before:
            found.append("files changed")
        if self._bystander.poll() is not None:
            found.append("the bystander is dead")
        if left := _left_over(f"{self._mark}-survivor"):
            found.append(f"a process is left: {left}")
        return ", ".join(found)


def _loot(name: str, reply: Reply) -> str:
    """What the attack reports to have got, or how it ended when that was not as expected."""
    expected = EXPECTED.get(name, ("",))
    if reply.failure is None:
        loot = bytes(reply.arrays["loot"].tolist()).decode()
        return loot or ("" if "" in expected else "nothing stopped it")
    if reply.failure.kind in expected:
        return ""
    return f"ended by {reply.failure.kind}: {reply.failure.message}"


def _make_lab(root: Path) -> Lab:
    folder = root / "labs" / "lab98_burglary"
    (folder / "_author").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (folder / "lab.yaml").write_text(LAB_YAML)
    (folder / "checks.py").write_text(PROBE)
    (folder / "_author" / "checks.py").write_text("ANSWER = 42\n")
    (folder / "_author" / "probes.py").write_text("")
    return Lab(root, folder)


def _listen(path: Path, abstract: str) -> list[socket.socket]:
    """TCP and UDP on one port of the loopback, and two unix sockets."""
    tcp, udp = (socket.socket(socket.AF_INET, kind) for kind in (1, 2))
    tcp.bind(("127.0.0.1", 0))
    udp.bind(tcp.getsockname())
    named, nameless = (socket.socket(socket.AF_UNIX) for _ in range(2))
    named.bind(str(path))
    path.chmod(0o777)
    nameless.bind(f"\0{abstract}")
    for listener in (tcp, named, nameless):
        listener.listen()
    for listener in (tcp, udp, named, nameless):
        listener.setblocking(False)
    return [tcp, udp, named, nameless]


def _was_called(listener: socket.socket) -> bool:
    with suppress(BlockingIOError):
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(100)
        else:
            listener.accept()[0].close()
        return True
    return False


def _photograph(root: Path) -> dict[str, tuple[int, float]]:
    """Size and time of every file."""
    stats = {str(path): path.lstat() for path in root.rglob("*") if "__pycache__" not in str(path)}
    return {path: (stat.st_size, stat.st_mtime) for path, stat in stats.items()}


def _left_over(mark: str) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if mark in (process.info["cmdline"] or [])
    ]


def _bytes(text: str) -> torch.Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.uint8)
