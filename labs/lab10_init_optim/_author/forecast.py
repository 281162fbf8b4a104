"""The scorer's half of the forecast: what the drawn network and its optimisers take."""

from collections.abc import Mapping

FEATURES, CLASSES, FLOAT32 = 784, 10, 4
NEWTON_SCHULZ = 5


def answers(config: Mapping[str, int]) -> dict[str, int]:
    """For `depth` hidden layers of `width`: numbers, bytes of state, and operations of a Muon step.

    A product of [n, k] and [k, m] counts 2 n k m operations.
    """
    width, depth = config["width"], config["depth"]
    hidden = (depth - 1) * width * width
    rest = FEATURES * width + width * CLASSES + depth * width + CLASSES
    return {
        "parameters": hidden + rest,
        "adamw_bytes": 2 * FLOAT32 * (hidden + rest),
        "muon_bytes": FLOAT32 * hidden + 2 * FLOAT32 * rest,
        "newton_schulz_flops": (depth - 1) * NEWTON_SCHULZ * 3 * 2 * width**3,
    }
