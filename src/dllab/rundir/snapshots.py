"""Snapshots of a training, for `dllab grade --replay`: where they are taken, and their files.

A segment is SPAN batches between two snapshots, which are called by the number of batches before
them. Each holds the trainable parameters in half precision; the first one of a segment also says,
as metadata, where in the training it stands.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dllab.rundir.run import ArmFolder

SPAN = 16  # batches of a segment
WARM_UP = 8  # batches before it, in which a replay gathers the optimiser's state
SEGMENTS = 3
MAX_BYTES = 16 << 20  # of all snapshots of an arm


@dataclass(frozen=True)
class Place:
    """Where a segment begins: after `batches` batches of `per_epoch` in each epoch, and `steps`
    steps of the optimiser. Each schedule was at its `schedules`-th step, and the groups of each
    optimiser had these learning `rates`.
    """

    batches: int
    per_epoch: int
    steps: int
    schedules: tuple[int, ...]
    rates: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Segment:
    """A place, and the files of the snapshots before and after the SPAN batches from there."""

    place: Place
    before: Path
    after: Path


def plan(batches: int, parameters: int) -> list[int]:
    """After how many batches of a whole training each segment begins: evenly spread, none in a
    training that is too short or of a model that is too large.
    """
    most = min(SEGMENTS, batches // (2 * (WARM_UP + SPAN)), MAX_BYTES // max(1, 2 * 2 * parameters))
    return [batches * (2 * number + 1) // (2 * most) for number in range(most)]


def snapshot_file(arm: ArmFolder, batches: int) -> Path:
    """The file of the snapshot taken after so many batches."""
    return arm.path / "snapshots" / f"{batches}.safetensors"


def write(path: Path, parameters: Mapping[str, Tensor], place: Place | None) -> None:
    """Keep trainable parameters in half precision, and the place where they begin a segment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {name: value.detach().cpu().half() for name, value in parameters.items()}
    save_file(half, path, metadata={"place": json.dumps(asdict(place))} if place else None)


def segments(arm: ArmFolder) -> Iterator[Segment]:
    """The whole segments of an arm; a file that is not as `write` makes it begins none."""
    for before in (arm.path / "snapshots").glob("*.safetensors"):
        place = _place(before)
        if place and (after := snapshot_file(arm, place.batches + SPAN)).is_file():
            yield Segment(place, before, after)


def _place(path: Path) -> Place | None:
    try:
        with safe_open(path, framework="pt") as file:
            raw = json.loads((file.metadata() or {})["place"])
        place = Place(
            batches=int(raw["batches"]),
            per_epoch=int(raw["per_epoch"]),
            steps=int(raw["steps"]),
            schedules=tuple(int(step) for step in raw["schedules"]),
            rates=tuple(tuple(float(rate) for rate in group) for group in raw["rates"]),
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    sound = place.per_epoch > 0 and place.batches >= WARM_UP and place.steps >= 0
    return place if sound and path.stem == str(place.batches) else None
