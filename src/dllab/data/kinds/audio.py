"""Sounds: `audio` `[S]`, int16 or float32, at the column's `rate`, zero-padded, and `lengths`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.files import DataError
from dllab.data.kinds import Kind, Shown
from dllab.data.kinds.series import polylines
from dllab.data.tensors import Tensors

SHOWN_POINTS = 200
GAIN, GRAIN = 0.05, 0.02  # the most of the loudness, and the sd of a hiss in units of the sound's


class Sounds(Kind):
    """Near copies have one spectrum: the same sound, later or louder."""

    columns: ClassVar = {
        "audio": Column(dtype="int16", shape=("S",), lengths="lengths"),
        "lengths": Column(dtype="int64"),
    }
    content: ClassVar = ("audio",)

    def needs(self, dataset: DataSet) -> Mapping[str, Column]:
        """The wave may be of either dtype, and has the rate that the set says."""
        audio = dataset.columns.get("audio")
        dtype = audio.dtype if audio and audio.dtype == "float32" else "int16"
        needed = replace(self.columns["audio"], dtype=dtype)
        return {**self.columns, "audio": needed}

    def check(self, dataset: DataSet) -> None:
        """A wave without a rate cannot be played."""
        super().check(dataset)
        if not dataset.columns["audio"].rate:
            raise DataError(
                f"{dataset.folder / 'dataset.yaml'}: the column audio has no rate",
                "say how many samples there are in a second",
            )

    def show(self, dataset: DataSet, item: Tensors) -> Shown:
        """The wave's outline: its highest and lowest value over time."""
        wave = item["audio"][: int(item["lengths"])].float()
        pieces = [piece for piece in wave.tensor_split(SHOWN_POINTS) if len(piece)]
        outline = [[float(piece.max()), float(piece.min())] for piece in pieces]
        return Shown(lines=polylines(torch.tensor(outline)))

    def vectors(self, dataset: DataSet, items: Tensors) -> Tensor:
        """The magnitude of each frequency, which does not know when the sound begins."""
        spectrum: Tensor = torch.fft.rfft(items["audio"].float()).abs()
        return spectrum - spectrum.mean(1, keepdim=True)

    def perturb(self, dataset: DataSet, items: Tensors, rng: torch.Generator) -> Tensors:
        """Each sound a little louder or softer, with a hiss far below it."""
        audio = items["audio"]
        wave = audio.float()
        valid = torch.arange(wave.shape[1]) < items["lengths"][:, None]
        loudness = (wave.square().sum(1) / items["lengths"].clamp(min=1)).sqrt()[:, None]
        gain = 1 + GAIN * (2 * torch.rand(len(wave), 1, generator=rng) - 1)
        moved = wave * gain + GRAIN * loudness * torch.randn(wave.shape, generator=rng) * valid
        if not audio.is_floating_point():
            ends = torch.iinfo(audio.dtype)
            moved = moved.round().clamp(ends.min, ends.max)
        return {**items, "audio": moved.to(audio.dtype)}


KIND = Sounds()
