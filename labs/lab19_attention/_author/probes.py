"""What of lab 19's hidden checks and its timing enters the sandbox."""

from types import ModuleType

import torch
from torch import Tensor

from dllab.checks import Arrays, Given, integers, timing

CUTS = (4, 1, 1, 3)


def in_pieces(lab: ModuleType, given: Given) -> Arrays:
    """Logits of texts read at once, in pieces, in tiles, and with other padding."""
    torch.manual_seed(int(given.seed))
    model = lab.Model(tokens=9, features=16, heads=4, groups=2, window=9).eval()
    with torch.no_grad():
        whole, caches = model.read(given.token), model.caches()
        pieces = [model.read(some, caches) for some in given.token.split(CUTS, dim=1)]
        for block in model.blocks:
            block.attention.size = 4
        tiles = model.read(given.token)
        padded = {"tokens": given.token, "lengths": given.length}
        other = {**padded, "tokens": given.token.where(torch.arange(9) < given.length[:, None], 0)}
        return {
            "whole": whole,
            "pieces": torch.cat(pieces, 1),
            "tiles": tiles,
            "padded": model.predict(padded),
            "zeros": model.predict(other),
        }


TEXTS, STEPS = 16, 120


@timing(
    "writing",
    given={"token": integers(0, 75, TEXTS, STEPS + 8)},
    rounds=7,
    atol=1e-3,
    rtol=1e-3,
)
def writing(lab: ModuleType, given: Arrays) -> Tensor:
    """`write` takes little longer than the reference: it reads no token twice."""
    torch.manual_seed(0)
    model, offered = lab.Model().eval(), []

    def prescribed(logits_BV: Tensor) -> Tensor:
        offered.append(logits_BV)
        return given["token"][:, 7 + len(offered)]

    model.write(given["token"][:, :8], STEPS, prescribed)
    return offered[-1]
