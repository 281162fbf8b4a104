"""The numbers that lab 06's page lets one guess, computed from the reference."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

Config = Mapping[str, Mapping[str, Any]]


def buckets(lab: ModuleType, config: Config) -> str:
    """The bytes of each bucket, in the order in which they leave."""
    net = lab.Model(**config["model"]).net
    made = lab.make_buckets(list(net.parameters()), config["model"]["most_bytes"])
    return " and ".join(f"{sum(p.nbytes for p in bucket):,}" for bucket in made)


def sent(lab: ModuleType, config: Config) -> str:
    """Bytes that each of 2 and of 64 ranks sends in a step, by a ring."""
    size = sum(p.nbytes for p in lab.Model(**config["model"]).parameters())
    return " and ".join(f"{2 * (world - 1) * size // world:,}" for world in (2, 64))


def last_shares(lab: ModuleType, config: Config) -> str:
    """How many items each of three ranks gets of an epoch's last global batch, of 9,000 items."""
    size, ranks = config["data"]["batch_size"], range(3)
    dealt = [list(lab.Shards(9000, size, seed=0, rank=rank, world=3))[-1] for rank in ranks]
    return ", ".join(str(len(items)) for items in dealt)
