"""The halves of lab 05's hidden checks that enter the sandbox."""

from types import ModuleType

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from dllab.checks import Arrays
from labs.lab05_mixed_precision.checks import code, follow, network, take_steps


def saved_bytes_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Count the bytes that a forward pass keeps for the backward pass, in both precisions."""
    net = network()

    def kept(dtype: torch.dtype) -> int:
        sizes: list[int] = []

        def note(tensor: Tensor) -> Tensor:
            sizes.append(tensor.numel() * tensor.element_size())
            return tensor

        with saved_tensors_hooks(note, lambda tensor: tensor):
            lab.mixed_loss(net, given["x"], given["label"], dtype)
        return sum(sizes)

    return {"bytes": torch.tensor([kept(torch.float32), kept(torch.bfloat16)])}


def long_history_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Walk through a long history with another growth, back-off and interval."""
    scaler = lab.LossScaler(scale=3.0, growth=1.5, backoff=0.25, interval=int(given["interval"]))
    return {"scale": follow(scaler, given["finite"])}


def clipped_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Take three steps with a clip that bites."""
    return take_steps(lab, given, 0.01)


def underflow_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """One step in float16 from a net that is right already: its gradients are tiny."""
    net = nn.Linear(8, 4)
    net.load_state_dict({"weight": given["weight"], "bias": given["bias"]})
    before = net.weight.detach().clone()
    optimizer = torch.optim.SGD(net.parameters(), 1e6)
    label = torch.zeros(len(given["x"]), dtype=torch.int64)
    loss = lab.mixed_loss(net, given["x"], label, torch.float16)
    lab.step(loss, list(net.parameters()), optimizer, lab.LossScaler(2.0**16), 1e9)
    return {"moved": net.weight.detach() - before}


def hundred_steps_probe(lab: ModuleType, given: Arrays) -> Arrays:
    """Train a hundred steps in bfloat16 from the given weights on the given batches."""
    net = network()
    net.load_state_dict({name: given[name] for name in net.state_dict()})
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scaler, losses, seen = lab.LossScaler(1024.0, interval=20), [], set()
    net[2].register_forward_hook(lambda _layer, _inputs, y: seen.add(code(y.dtype)))
    for x, label in zip(given["x"], given["label"], strict=True):
        loss = lab.mixed_loss(net, x, label, torch.bfloat16)
        lab.step(loss, list(net.parameters()), optimizer, scaler, 1.0)
        losses.append(loss.detach())
    return {
        "loss": torch.stack(losses).float(),
        "dtype": torch.tensor(sorted(seen)),
        **{f"final.{name}": value.detach().clone() for name, value in net.state_dict().items()},
    }
