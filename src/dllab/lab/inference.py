"""Scores for many items, the one way that training, practice and official grading share."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

BATCH_SIZE = 256


def predict_items(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    *,
    shared: Sequence[str] = (),
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
) -> Tensor:
    """`model.predict` over raw items, in batches; `[N, …]` on the CPU.

    `inputs` are what a model may see; those that are `shared` by all items are in each batch whole.
    The model is put on `device` in eval mode and called in inference mode.
    """
    whole = {name: inputs[name].to(device) for name in shared}
    items = {name: value for name, value in inputs.items() if name not in whole}
    total = len(next(iter(items.values())))
    training = model.training
    model.to(device).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, total, batch_size):
            batch = {k: v[start : start + batch_size].to(device) for k, v in items.items()}
            scores: Tensor = model.predict({**batch, **whole})  # type: ignore[operator]
            parts.append(scores.cpu())
    model.train(training)
    return torch.cat(parts)
