"""The halves of lab 20's hidden checks that enter the sandbox."""

from types import ModuleType

import torch

from dllab.checks import Arrays, Given
from labs.lab20_language_model.checks import NEXT, TOKENS, WINDOW, chunk, language_model


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


def one_by_one(lab: ModuleType, given: Given) -> Arrays:
    """Logits of a GPT that reads three windows token by token, and those of each window alone."""
    torch.manual_seed(int(given.seed))
    model = lab.Model(network="gpt", tokens=TOKENS, features=8, heads=2, window=WINDOW).eval()
    for parameter in model.parameters():  # larger than at the start, so that all of it shows
        parameter.data = 0.5 * torch.randn(parameter.shape)
    token, pieces, windows, state = given.token, [], [], None
    with torch.no_grad():
        for place in range(token.shape[1]):
            logits, state = model.read(token[:, place : place + 1], state)
            pieces.append(logits[:, -1])
            alone = token[:, max(0, place + 1 - WINDOW) : place + 1]
            windows.append(model.read(alone)[0][:, -1])
            model.read(alone.flip(0))  # another text in between is none of its business
        first = token[:, :WINDOW]
        other = torch.cat([first[:, :-1], 1 + first[:, -1:] % (TOKENS - 1)], dim=1)
        now, later = (model.read(some)[0][:, :-1] for some in (first, other))
    found = {"pieces": torch.stack(pieces, 1), "windows": torch.stack(windows, 1)}
    return {**found, "now": now, "later": later}
