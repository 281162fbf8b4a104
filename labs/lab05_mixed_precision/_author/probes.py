"""The halves of lab 05's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from dllab.checks import Arrays, Given
from labs.lab05_mixed_precision.checks import fraction_bits, network, with_parameters


def saved_bytes(lab: ModuleType, given: Given) -> Arrays:
    """Count the bytes that a forward pass keeps for the backward pass, in both precisions."""
    net = network()

    def kept(dtype: torch.dtype) -> int:
        sizes: list[int] = []

        def note(tensor: Tensor) -> Tensor:
            sizes.append(tensor.numel() * tensor.element_size())
            return tensor

        with saved_tensors_hooks(note, lambda tensor: tensor):
            lab.mixed_loss(net, given.x, given.label, dtype)
        return sum(sizes)

    return {"bytes": torch.tensor([kept(torch.float32), kept(torch.bfloat16)])}


def underflow(lab: ModuleType, given: Given) -> Tensor:
    """One step in float16 from a net that is right already: its gradients are tiny."""
    net = nn.Linear(8, 4)
    net.load_state_dict({"weight": given.weight, "bias": given.bias})
    optimizer = torch.optim.SGD(net.parameters(), 1e6)
    loss = lab.mixed_loss(net, given.x, given.label, torch.float16)
    lab.step(loss, list(net.parameters()), optimizer, lab.LossScaler(2.0**16), 1e9)
    return (net.weight.detach() - given.weight)[1:]


def hundred_steps(lab: ModuleType, given: Given) -> Arrays:
    """Train a hundred steps in bfloat16 from the given weights on the given batches."""
    net, losses, seen = with_parameters(given), [], set()
    optimizer, scaler = torch.optim.SGD(net.parameters(), 0.1), lab.LossScaler(1024.0, interval=20)
    net[2].register_forward_hook(lambda _layer, _x, y: seen.add(fraction_bits(y.dtype)))
    for x, label in zip(given.x, given.label, strict=True):
        losses.append(lab.mixed_loss(net, x, label, torch.bfloat16))
        lab.step(losses[-1], list(net.parameters()), optimizer, scaler, 1.0)
    return {
        "the losses": torch.stack(losses).detach().float(),
        "the fraction bits of the second linear layer": torch.tensor(sorted(seen)),
        **{f"{name} in the end": value.clone() for name, value in net.state_dict().items()},
    }
