"""How strong the wall is: every backend by its name, and the choice among them."""

from collections.abc import Mapping

from dllab.errors import LabError
from dllab.sandbox.bubblewrap import Bubblewrap
from dllab.sandbox.job import Backend, Child, Job, popen

__all__ = ["BACKENDS", "Backend", "Child", "Job", "NoWall", "find_backend"]


class NoWall:
    """A plain child process: another process, not a boundary. Practice only."""

    name = "none"
    official = False

    def problem(self) -> str:
        """None anywhere."""
        return ""

    def start(self, job: Job) -> Child:
        """Start the command in its own session, so that its whole group can be killed."""
        return popen(job.command, job)


BACKENDS: Mapping[str, Backend] = {wall.name: wall for wall in (NoWall(), Bubblewrap())}


def find_backend(name: str) -> Backend:
    """The backend of that name; LabError lists them all."""
    if name not in BACKENDS:
        raise LabError(
            f"there is no sandbox backend {name!r}", f"choose one of: {', '.join(BACKENDS)}"
        )
    return BACKENDS[name]
