"""The last step behind every wall: give up rights and take on limits, for good, then run.

    python -P -s -m dllab.sandbox.enter CONFINEMENT -- COMMAND…

CONFINEMENT is what `Confinement.text` says. Only the standard library is imported here, because
every cold worker pays for it.
"""

import json
import os
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from dllab.sandbox import kernel, landlock, seccomp

# No /dev/zero: whoever maps it gets shared memory that no limit counts.
DEVICES = tuple(f"/dev/{name}" for name in ("null", "full", "random", "urandom"))
_KEEP_CAPABILITIES = 8


@dataclass(frozen=True)
class Confinement:
    """What a job is held to.

    `uid` is the unprivileged user to become, or None to stay who one is. Paths are those of
    landlock; `one_group` says that no process may leave the process group. `read_any` keeps the
    right to read past file modes, where landlock alone says what may be read.
    """

    uid: int | None
    readable: tuple[str, ...]
    listable: tuple[str, ...]
    writable: tuple[str, ...]
    devices: tuple[str, ...]
    cpu_s: int
    memory_bytes: int
    file_bytes: int
    files: int
    processes: int
    unix_sockets: bool = True
    sockets: bool = False
    one_group: bool = False
    read_any: bool = False
    own_users: bool = False

    def text(self) -> str:
        """As one command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> "Confinement":
        """The other way."""
        return cls(**json.loads(text))


def confine(to: Confinement) -> None:
    """Hold this process, and all that it starts, to the confinement. There is no way back.

    Raises OSError where the kernel refuses a step: learner code must not run then.
    """
    keep = 1 << kernel.CAP_DAC_READ_SEARCH if to.read_any else 0
    keep &= kernel.permitted_capabilities()  # root in a container has not all
    kernel.drop_bounding(keep)
    if to.uid is not None:
        _become(to.uid)
    if to.own_users:
        _own_users()
    kernel.drop_capabilities(keep)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    _limit(to)
    if landlock.version():
        landlock.restrict(
            map(Path, to.readable),
            map(Path, to.writable),
            listable=map(Path, to.listable),
            devices=map(Path, to.devices),
            sockets=to.sockets,
        )
    seccomp.install(_families(to), one_group=to.one_group)


def _families(to: Confinement) -> tuple[int, ...]:
    if to.sockets:
        return seccomp.INTERNET
    return seccomp.UNIX if to.unix_sockets else ()


def _become(uid: int) -> None:
    """Become an unprivileged user; its capabilities are dropped in the next step."""
    kernel.prctl(_KEEP_CAPABILITIES, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _own_users() -> None:
    """A user namespace in which nobody but this user exists, and processes are counted apart."""
    uid, gid = os.getuid(), os.getgid()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root after setuid
    kernel.unshare(kernel.CLONE_NEWUSER)
    kernel.drop_bounding()
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _limit(to: Confinement) -> None:
    limits = {
        # the soft limit's signal tells a CPU limit apart; the hard one kills a second later
        resource.RLIMIT_CPU: (to.cpu_s, to.cpu_s + 1),
        resource.RLIMIT_DATA: (to.memory_bytes, to.memory_bytes),
        resource.RLIMIT_FSIZE: (to.file_bytes, to.file_bytes),
        resource.RLIMIT_NOFILE: (to.files, to.files),
        resource.RLIMIT_NPROC: (to.processes, to.processes),
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
    }
    for which, (soft, hard) in limits.items():
        most = resource.getrlimit(which)[1]
        ceiling = hard if most == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(which, (min(soft, ceiling), ceiling))


def main() -> None:
    """Confine this process, then become the command."""
    text, _, *command = sys.argv[1:]
    confine(Confinement.parse(text))
    kernel.die_with_parent(signal.SIGKILL)
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
