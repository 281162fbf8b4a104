"""One worker at a time behind a wall: started, asked, watched, ended with all that it started."""

import secrets
import shutil
import tempfile
import time
import traceback
from pathlib import Path

from dllab.checks import standing
from dllab.errors import InfraError
from dllab.sandbox.cgroup import Group, new_group
from dllab.sandbox.channel import Channel, WorkerLostError
from dllab.sandbox.deadline import Deadline
from dllab.sandbox.job import Backend, Child
from dllab.sandbox.limits import Limits
from dllab.sandbox.reach import Reach
from dllab.sandbox.reply import Failure, Reply, read_answer
from dllab.sandbox.watch import Watch
from dllab.sandbox.wire import Frame


class Supervisor:
    """Starts workers of one reach, and names what took one away: a limit, or the line it hung at.

    All their requests together may last `limits.total_s`.
    """

    def __init__(self, reach: Reach, backend: Backend, limits: Limits) -> None:
        self.nonce = secrets.token_hex(16)
        self._reach, self._backend, self._limits = reach, backend, limits
        self._scratch = Path(tempfile.mkdtemp(prefix="dllab-")).resolve()
        self._ends = time.monotonic() + limits.total_s
        self._child: Child | None = None
        self._channel: Channel | None = None
        self._watch: Watch | None = None
        self._group: Group | None = None
        self._serial = 0

    @property
    def running(self) -> bool:
        """Whether there is a worker now."""
        return self._channel is not None

    @property
    def log(self) -> str:
        """The end of what the present worker has printed so far."""
        return self._channel.log if self._channel else ""

    @property
    def pid(self) -> int:
        """The root of the present worker's process tree, seen from here; 0 for none."""
        return self._child.pid if self._child else 0

    def start(self, *, probes: bool) -> None:
        """Start a worker, which may read the lab's hidden probes or not.

        Raises InfraError where it does not serve: no learner code has run by then.
        """
        job = self._reach.job(self._scratch, self._limits, probes=probes)
        official = self._backend.official
        self._group = new_group(self._limits) if official else None
        self._child = self._backend.start(job)
        self._channel = Channel(self._child, self._limits)
        self._adopt()  # as early as may be
        if official:
            self._watch = Watch(self._child, self._limits, self._scratch)
        self._greet([str(path) for path in self._reach.must_read(probes=probes)])
        self._adopt()  # and what the wall had started meanwhile

    def exchange(self, frame: Frame, seconds: float) -> Reply:
        """One request to the present worker, which is ended when it does not answer properly."""
        assert self._channel is not None
        channel, begin = self._channel, time.monotonic()
        deadline = Deadline(self.pid, max(0.0, min(seconds, self._ends - begin)))
        self._serial += 1
        echo = {"nonce": self.nonce, "serial": self._serial}
        try:
            answer = channel.exchange(Frame({**frame.header, **echo}, frame.blobs), deadline)
            self._ends += deadline.lent
            arrays, failure = read_answer(answer, echo)
        except WorkerLostError as lost:
            try:
                arrays, failure = {}, self._blame(lost)
            finally:
                self.stop()
        return Reply(arrays, failure, time.monotonic() - begin, channel.log)

    def stop(self) -> None:
        """End the worker, and leave nothing of it to the next."""
        if self._watch is not None:
            self._watch.stop()
        if self._child is not None:
            self._child.kill()
        if self._group is not None:
            self._group.close()
        self._child = self._channel = self._watch = self._group = None
        for left in self._scratch.iterdir():
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()

    def close(self) -> None:
        """End the worker for good."""
        self.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def interrupt(self) -> None:
        """From another thread: make the request under way fail at once."""
        if (child := self._child) is not None:
            child.interrupt()

    def _adopt(self) -> None:
        if self._group and self._child:
            self._group.adopt(self._child.pid)

    def _greet(self, reads: list[str]) -> None:
        """See that the worker serves, and may read the lab's own files, before any learner code
        runs: what fails here is our fault.
        """
        reply = self.exchange(Frame({"op": "greet", "reads": reads}), self._limits.start_s)
        if reply.failure is None:
            return
        if reply.failure.kind == "raised":
            raise InfraError(
                f"no worker behind {self._backend.name} may read it: {reply.failure.message}",
                "files of a lab must be readable for everybody: chmod -R a+rX",
            )
        last = reply.log.strip().splitlines()[-1:] or ["it printed nothing"]
        raise InfraError(
            f"no worker behind {self._backend.name}: {reply.failure.message}: {last[0]}",
            "dllab doctor --sandbox shows what works on this machine",
        )

    def _blame(self, lost: WorkerLostError) -> Failure:
        """Which limit took the worker away, where one did."""
        if self._watch and (breach := self._watch.breach):
            return Failure(breach.kind, f"your code {breach.message}")
        if self._group and self._group.is_out_of_memory:
            return Failure(
                "memory", f"your code used more than {self._limits.memory_mb} MB of memory"
            )
        if self._child and self._child.orphaned:
            raise InfraError(
                "the warm process was ended from outside, and its workers with it",
                "is there memory left? try again",
            )
        if lost.kind == "died" and "SIGXCPU" in str(lost):
            return Failure("timeout", f"used more than {self._limits.cpu_s:.0f} s of CPU time")
        if self._backend.official:
            return Failure(lost.kind, str(lost))
        return self._locate(lost)

    def _locate(self, lost: WorkerLostError) -> Failure:
        """The line of learner code at which a worker hangs, or was when it died."""
        file = self._scratch / standing.WHERE
        hangs = lost.kind == "timeout"
        frames = standing.ask(self.pid, file) if hangs else standing.left_in(file)
        own = [
            frame
            for frame in frames
            if self._reach.code and Path(frame.filename) == self._reach.code
        ]
        if not own:
            return Failure(lost.kind, str(lost))
        last = own[-1]
        place = f"{Path(last.filename).name}:{last.lineno}, in {last.name}"
        shown = ["Traceback (most recent call last):\n", *traceback.format_list(own)]
        told = f"{lost}, at {place}" + (f": {last.line}" if last.line else "")
        return Failure(lost.kind, told, f"{''.join(shown)}{lost}")
