"""dream.json: what the model of a run has shown, kept for its report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dllab.checks.exhibits import Exhibit
from dllab.errors import LabError
from dllab.rundir.run import RunFolder, write_text


@dataclass(frozen=True)
class Dreamt:
    """What came of one dream: exhibits, or why there are none."""

    title: str
    sentence: str = ""
    exhibits: tuple[Exhibit, ...] = ()
    failure: str = ""


def write_dreams(run: RunFolder, dreams: Sequence[Dreamt]) -> None:
    """Keep them with the run, in place of older ones; of a lab without dreams, nothing."""
    import json

    if dreams:
        write_text(run.dream, json.dumps([asdict(one) for one in dreams], indent=1) + "\n")
    else:
        run.dream.unlink(missing_ok=True)


def read_dreams(run: RunFolder) -> tuple[Dreamt, ...]:
    """What is kept; LabError for a file that holds something else."""
    from pydantic import TypeAdapter, ValidationError

    if not run.dream.is_file():
        return ()
    try:
        return TypeAdapter(tuple[Dreamt, ...]).validate_json(run.dream.read_bytes())
    except ValidationError as error:
        raise LabError(
            f"{run.dream} is damaged: {error.errors()[0]['msg']}",
            f"dream anew: dllab dream {run.id}",
        ) from None
