"""From rows to the tensors that a set declares: cast, stacked, zero-padded, lengths counted."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dllab.data.catalog import DataSet
from dllab.data.description import Column
from dllab.data.files import DataError
from dllab.data.rows import ColumnValues, Rows

Tensors = dict[str, Tensor]


def tensors(dataset: DataSet, rows: Rows) -> Tensors:
    """The declared columns, in that order, each `[N, *shape]`, or `[*shape]` where it is shared.

    Raises:
        DataError: the rows lack a column, or one does not have the declared shape.

    """
    columns, made = dataset.columns, Tensors()
    counted = {column.lengths for column in columns.values()}
    for name, column in columns.items():
        if name in counted:
            continue
        if name not in rows:
            raise _wrong(dataset, name, f"the rows hold {', '.join(rows)} and not this")
        steps = _steps(rows[name], column) if column.lengths else None
        try:
            made[name] = _whole(rows[name], column) if steps is None else _padded(steps, column)
        except (RuntimeError, TypeError, ValueError) as error:
            raise _wrong(dataset, name, f"expected {column}, and {error}") from error
        if steps is not None:
            _count(dataset, made, column.lengths, torch.tensor([len(one) for one in steps]))
        _check(dataset, name, made[name])
    return {name: made[name] for name in columns}


def valid_values(items: Tensors, name: str, column: Column) -> list[Tensor]:
    """A column item by item, without padding."""
    if not column.lengths:
        return list(items[name])
    lengths = items[column.lengths].tolist()
    return [row[:length] for row, length in zip(items[name], lengths, strict=True)]


def joined(dataset: DataSet, items: Tensors, others: Tensors) -> Tensors:
    """The inputs of two lots of items in one, padded to one width."""
    names = [*dataset.inputs, *(dataset.columns[name].lengths for name in dataset.inputs)]
    both = ((name, items[name], others[name]) for name in dict.fromkeys(names) if name)
    return {name: torch.cat(_widened(one, other)) for name, one, other in both}


def _widened(one: Tensor, other: Tensor) -> list[Tensor]:
    if one.dim() < 2:
        return [one, other]
    width = max(one.shape[1], other.shape[1])
    sides = (0, 0) * (one.dim() - 2)
    return [F.pad(values, (*sides, 0, width - values.shape[1])) for values in (one, other)]


def _whole(values: ColumnValues, column: Column) -> Tensor:
    tensor = values if isinstance(values, Tensor) else torch.stack([_array(v) for v in values])
    return tensor.to(getattr(torch, column.dtype)).contiguous()


def _steps(values: ColumnValues, column: Column) -> list[Tensor]:
    rest = column.shape[1:]  # an item without steps does not know how wide they are
    empty = torch.zeros(0, *(n for n in rest if isinstance(n, int)))
    arrays = (_array(value) for value in values)
    return [(one if len(one) else empty).to(getattr(torch, column.dtype)) for one in arrays]


def _padded(steps: list[Tensor], column: Column) -> Tensor:
    """All items as long as the longest, or as the set declares; never cut."""
    tensor = pad_sequence(steps, batch_first=True)
    missing = (column.most or 0) - tensor.shape[1]
    return F.pad(tensor, (*(0, 0) * (tensor.dim() - 2), 0, missing)) if missing > 0 else tensor


def _count(dataset: DataSet, made: Tensors, name: str, lengths: Tensor) -> None:
    """Enter the lengths; several columns of one item may share them."""
    if name in made and not torch.equal(made[name], lengths):
        raise _wrong(dataset, name, "two columns of an item have different numbers of steps")
    made[name] = lengths


def _check(dataset: DataSet, name: str, tensor: Tensor) -> None:
    column = dataset.columns[name]
    shape = tensor.shape if column.shared else tensor.shape[1:]
    fits = len(shape) == len(column.shape) and all(
        isinstance(said, str) or said == got for said, got in zip(column.shape, shape, strict=True)
    )
    if not fits:
        raise _wrong(dataset, name, f"expected {column}, got {list(tensor.shape)}")


def _array(value: Tensor | str) -> Tensor:
    if isinstance(value, str):
        raise TypeError(f"{value[:40]!r} is a text")
    return value


def _wrong(dataset: DataSet, name: str, why: str) -> DataError:
    return DataError(
        f"{dataset.name}, column {name}: {why}",
        f"mend the columns of {dataset.folder / 'dataset.yaml'}, or its reader",
    )
