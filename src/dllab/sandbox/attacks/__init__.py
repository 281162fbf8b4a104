"""Escapes to try behind a wall: learner code in the role of a burglar.

`dllab doctor --sandbox` and the tests hand this file to a session as if it had been submitted; what
it imports is part of dllab, which learner code can read. Each attack gets targets and returns what
it managed to do, in words; nothing means stopped. None ever runs anywhere but behind a wall.
"""

import json
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dllab.sandbox.attacks import others, rights, shares
from dllab.sandbox.attacks.others import Targets


def attempt(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run the attack named in `given`; the loot as text in bytes."""
    call = json.loads(bytes(given["call"].tolist()))
    loot = ATTACKS[call["name"]](call)
    return {"loot": torch.tensor(list(str(loot).encode()), dtype=torch.uint8)}


ATTACKS: dict[str, Callable[[Targets], str]] = {
    attack.__name__: attack
    for attack in (
        others.network,
        others.read,
        others.write,
        others.environment,
        others.signals,
        rights.memory_of_others,
        others.descriptors,
        others.processes_in_sight,
        rights.kernel_doors,
        rights.page_cache,
        rights.privileges,
        rights.devices,
        rights.programs,
        shares.fork_bomb,
        shares.memory_hog,
        shares.memory_hogs,
        shares.orphans,
        shares.shared_memory,
        shares.disk_filler,
        shares.many_files,
        shares.cpu_hog,
        shares.survivor,
        shares.flood,
        others.state_left,
    )
}
