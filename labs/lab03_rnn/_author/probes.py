"""The halves of lab 03's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
from torch import nn

from dllab.checks import Arrays
from labs.lab03_rnn.checks import (
    HIDDEN,
    LSTM_SHAPES,
    TOKENS,
    chunk,
    toy_language_model,
    toy_lstm,
    with_gradients,
)

VANISHED = 1e-8  # times a gradient: as where nothing is left to learn


def saturated_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take a step with gates far outside of the sigmoid's slope."""
    h, c = lab.lstm_cell(given["gates"], given["c"])
    return {"h": h, "c": c}


def lstm_gradients_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Differentiate a weighted sum of the outputs with respect to input and parameters."""
    layer = toy_lstm(lab, given)
    x = given["x"].requires_grad_()
    y, _ = layer(x)
    (y * given["weight"]).sum().backward()
    return {"x": x.grad, **{name: getattr(layer, name).grad for name in LSTM_SHAPES}}


def padding_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Predict the same sequences padded with two different fills, and each alone, unpadded."""
    torch.manual_seed(0)
    answers = {}
    for readout in ("last", "mean"):
        model = lab.Model(vocabulary=TOKENS, features=3, hidden=HIDDEN, classes=2, readout=readout)
        answers[readout] = _three_ways(model.eval(), given)
    return answers


def _three_ways(model: nn.Module, given: Arrays) -> torch.Tensor:
    lengths = given["lengths"]
    with torch.no_grad():
        padded = [model.predict({"tokens": given[k], "lengths": lengths}) for k in ("one", "other")]
        alone = [
            model.predict({"tokens": row[None, : int(n)], "lengths": n[None]})
            for row, n in zip(given["one"], lengths, strict=True)
        ]
    return torch.stack([*padded, torch.cat(alone)])


def small_gradients_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Clip gradients that are small enough, one parameter having none; then one all but zero."""
    parameters = [*with_gradients(given), nn.Parameter(torch.zeros(2))]
    norm = lab.clip_gradients(parameters, 50.0)
    clipped = {n: p.grad for n, p in zip(given, parameters[:-1], strict=True)}
    (vanished,) = with_gradients({"b": VANISHED * given["b"]})
    lab.clip_gradients([vanished], 50.0)
    return {"norm": norm, **clipped, "vanished": vanished.grad}


def two_texts_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Read one text in two chunks, with and without validation on another in between."""
    alone, between = (toy_language_model(lab, given) for _ in range(2))
    for model in (alone, between):
        model.stream_loss(chunk(given, 0, start=True), "train")
    other = chunk({"token": given["token"].flip(0, 1)}, 0, start=True)
    with torch.no_grad():
        between.stream_loss(other, "val")
    losses = [m.stream_loss(chunk(given, 1, start=False), "train") for m in (alone, between)]
    return {"losses": torch.stack(losses).detach()}
