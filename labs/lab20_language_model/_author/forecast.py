"""The scorer's half of the forecast: what the drawn GPT takes."""

from collections.abc import Mapping

BYTES = 2  # of a number in half precision


def answers(config: Mapping[str, int]) -> dict[str, int]:
    """For a GPT as in lab.py: what it learns, what a token costs, and what its cache takes.

    A block's matrices have 12 D² numbers: 4 D² in attention, 8 D² in its network. Its vectors are
    nine of biases and four of the norms.
    """
    D, depth, tokens, window = (config[name] for name in ("features", "depth", "tokens", "window"))
    matrices, vectors = 12 * D * D, 13 * D
    around = (tokens + window) * D + 2 * D + (D + 1) * tokens
    return {
        "parameters": depth * (matrices + vectors) + around,
        "flops": 2 * (depth * matrices + D * tokens) + depth * 4 * window * D,
        "cache_bytes": depth * 2 * window * D * BYTES,
    }
