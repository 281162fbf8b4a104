"""Data sets as tensors, and loaders that hand them out in batches.

    load(name, split, size)     a split as the data set stores it
    items(name, split)          what Model.predict is scored on
    find(name).columns          what each tensor is: dtype, shape, padding, role
    BatchLoader, StreamLoader   whole-tensor batches; chunks of a stream
    pretrained(name)            weights that others have learned
    module.SplitData            a LightningDataModule of a set's training and validation split

Importing this room costs torch and nothing else: readers are imported when the cache has a miss.
"""

from dllab.data.catalog import (
    DataSet,
    catalog,
    class_names,
    find,
    fingerprint,
    vocabulary,
)
from dllab.data.description import Column
from dllab.data.files import DataError
from dllab.data.loader import BatchLoader, StreamLoader
from dllab.data.sets import items, load, reserved, reserved_ids
from dllab.data.weights import pretrained

__all__ = [
    "BatchLoader",
    "Column",
    "DataError",
    "DataSet",
    "StreamLoader",
    "catalog",
    "class_names",
    "find",
    "fingerprint",
    "items",
    "load",
    "pretrained",
    "reserved",
    "reserved_ids",
    "vocabulary",
]
