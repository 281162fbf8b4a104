"""Scores for many items, the one way that training, practice and official grading share."""

import torch
from torch import Tensor, nn


def predict_items(
    model: nn.Module,
    items: dict[str, Tensor],
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> Tensor:
    """`model.predict` over raw items, in batches; float32 `[N, C]` on the CPU.

    The model is put on `device` in eval mode and called in inference mode. `label` is dropped:
    a model never sees it.
    """
    inputs = {name: value for name, value in items.items() if name != "label"}
    total = len(next(iter(inputs.values())))
    training = model.training
    model.to(device).eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, total, batch_size):
            batch = {k: v[start : start + batch_size].to(device) for k, v in inputs.items()}
            scores: Tensor = model.predict(batch)  # type: ignore[operator]
            parts.append(scores.cpu())
    model.train(training)
    return torch.cat(parts)
