"""The halves of lab 20's hidden checks that enter the sandbox."""

from types import ModuleType

import torch

from dllab.checks import Arrays, Given
from labs.lab20_language_model.checks import NEXT, chunk, language_model


def two_texts(lab: ModuleType, given: Given) -> Arrays:
    """Read one text in two chunks, with validation on another in between."""
    model = language_model(lab, given)
    model.stream_loss(chunk(given, 0, start=True), "train")
    with torch.no_grad():
        model.stream_loss(chunk(given | {"token": given.token.flip(0, 1)}, 0, start=True), "val")
    return {NEXT: model.stream_loss(chunk(given, 1, start=False), "train")}


def drawn(lab: ModuleType, given: Given) -> Arrays:
    """Write two tokens on from one beginning, many times."""
    many = given.token.expand(len(given.many), -1)
    written = language_model(lab, given).write(many, 2, temperature=0.7, k=5, mass=0.9, seed=1)
    return {"written": written}
