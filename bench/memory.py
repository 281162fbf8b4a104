"""P11: a loader holds its data once; what a pass over it adds is a batch."""

from collections.abc import Iterator

from bench.measure import Plan, Result, child, judged, main

MB = 400
LOAD = f"""
import torch
from dllab.data import BatchLoader
images = torch.ones({MB} * 1024, 1, 32, 32, dtype=torch.uint8)
loader = BatchLoader({{"image": images}}, 128, shuffle=True)
"""
PASS = "for batch in loader: pass\n"


def measure(plan: Plan) -> Iterator[Result]:
    """The peak of a process that passes over the data, less that of one that has no data."""
    empty = "import torch; from dllab.data import BatchLoader"
    peaks = []
    for _ in range(plan.pairs):
        without, with_data = child("-c", empty), child("-c", LOAD + PASS)
        peaks.append((with_data.peak_mb - without.peak_mb) / MB)
    yield judged("P11-full-once", peaks, f"{MB} MB of images, batches of 128")


if __name__ == "__main__":
    main(measure)
