"""The hidden checks of lab 16: more data, and a run with workers."""

import torch

from dllab.checks import Arrays
from dllab.checks.arrays import drawing
from labs.lab16_tracking_repro import checks


@checks.data_hash.also("long-data", "The hash of long data")
def long_data(rng: torch.Generator) -> Arrays:
    """Among five thousand rows, one other number gives another hash as well."""
    return checks.rows_of(rng, 5000)


@checks.rerun.also("with-workers", "Made again with workers")
def with_workers(rng: torch.Generator) -> Arrays:
    """Where two workers load the data, a run made again has equal bits too."""
    return {**drawing({**checks.RUN, "before": 5})(rng), "workers": torch.tensor(2)}
