"""How strong the wall is: every backend by its name, and the choice among them."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from dllab.errors import InfraError, LabError
from dllab.sandbox.bubblewrap import INSTALL, Bubblewrap
from dllab.sandbox.job import Backend, Child, Job, popen
from dllab.sandbox.landlocked import Landlock
from dllab.sandbox.zygote import Zygote

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


AUTO = "auto"
BACKENDS: Mapping[str, type[Backend]] = {
    wall.name: wall for wall in (Zygote, Bubblewrap, Landlock, NoWall)
}


def official_backends() -> list[Backend]:
    """The walls behind which a grade counts, first choice first, whether or not they work here."""
    return [wall() for wall in BACKENDS.values() if wall.official]


def find_backend(name: str) -> Backend:
    """The backend of that name; `auto` is the first official one that works on this machine.

    Raises LabError for an unknown name, InfraError where `auto` finds none.
    """
    if name == AUTO:
        return _first_that_works()
    if name not in BACKENDS:
        raise LabError(
            f"there is no sandbox backend {name!r}", f"choose one of: auto, {', '.join(BACKENDS)}"
        )
    return BACKENDS[name]()


@contextmanager
def open_backend(name: str) -> Iterator[Backend]:
    """The same for one or many sessions; what the backend keeps running ends with the context."""
    backend = find_backend(name)
    if isinstance(backend, AbstractContextManager):
        with backend:
            yield backend
    else:
        yield backend


def _first_that_works() -> Backend:
    problems = []
    for wall in official_backends():
        if not (problem := wall.problem()):
            return wall
        problems.append(f"{wall.name}: {problem}")
    raise InfraError(f"no sandbox works on this machine ({'; '.join(problems)})", INSTALL)
