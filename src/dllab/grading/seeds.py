"""Seeds from one secret: what learner code sees of one tells nothing about the others."""

import hashlib
import secrets

import torch

BITS = 53  # as many as JSON readers keep exactly; far too many to try


def draw() -> int:
    """A secret for one grading."""
    return secrets.randbits(BITS)


def derive(seed: int, *purpose: object) -> int:
    """The seed of one purpose, 53 bits of a hash that cannot be turned round.

    Learner code sees the seed that its own random numbers start from. It must not follow in which
    order the items come, or which of them are scored a second time.
    """
    text = "\0".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()) >> (256 - BITS)


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A generator for one purpose."""
    return torch.Generator().manual_seed(derive(seed, *purpose))
