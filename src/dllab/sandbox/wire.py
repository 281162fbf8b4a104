"""What crosses the boundary: a frame is a JSON header and raw blobs, with lengths up front.

    frame = | header length, u32 | length of all blobs, u64 | header, JSON | blobs |

The header's `sizes` cut the blobs apart. Arrays are safetensors: raw numbers with a dtype and a
shape, never code. Lengths are checked against caps before anything is read.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
from torch import Tensor

Arrays = dict[str, Tensor]

_PREFIX = struct.Struct(">IQ")
HEADER_BYTES = 1 << 20
REQUEST_BYTES = 1 << 32


class WireError(Exception):
    """The other side sent something that is not a frame."""


class TooLargeError(WireError):
    """The other side announced more bytes than it may send."""


@dataclass(frozen=True)
class Frame:
    """One message. `header` holds plain JSON values, `blobs` raw bytes."""

    header: dict[str, Any]
    blobs: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """The frame as bytes."""
        header = json.dumps({**self.header, "sizes": [len(blob) for blob in self.blobs]}).encode()
        return _PREFIX.pack(len(header), sum(map(len, self.blobs))) + header + b"".join(self.blobs)


class Decoder:
    """Collects bytes until one whole frame is there."""

    def __init__(self, cap: int = REQUEST_BYTES) -> None:
        self._cap = cap
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Frame | None:
        """Add bytes; the frame once it is whole.

        Raises TooLargeError as soon as a length beyond the cap is announced, WireError for bytes
        that are not one frame.
        """
        self._buffer += data
        if len(self._buffer) < _PREFIX.size:
            return None
        header, blobs = _PREFIX.unpack_from(self._buffer)
        if header > HEADER_BYTES or blobs > self._cap:
            raise TooLargeError(f"a message of {header + blobs} bytes, allowed are {self._cap}")
        total = _PREFIX.size + header + blobs
        if len(self._buffer) < total:
            return None
        if len(self._buffer) > total:
            raise WireError("more bytes than the message announced")
        return _parse(bytes(self._buffer), header)


def pack(arrays: Mapping[str, Tensor]) -> bytes:
    """Tensors as safetensors. Shared storage is copied apart."""
    return safetensors.torch.save({k: v.contiguous().clone() for k, v in arrays.items()})


def unpack(blob: bytes) -> Arrays:
    """Safetensors as tensors on the CPU; WireError when the bytes are not that."""
    try:
        return safetensors.torch.load(blob)
    except Exception as error:  # noqa: BLE001 - the parser's own kinds differ between versions
        raise WireError(f"not safetensors: {error}") from None


def _parse(data: bytes, header_length: int) -> Frame:
    start = _PREFIX.size + header_length
    try:
        header = json.loads(data[_PREFIX.size : start])
        sizes = [int(size) for size in header.pop("sizes")]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise WireError("the header is not the expected JSON") from None
    if any(size < 0 for size in sizes) or sum(sizes) != len(data) - start:
        raise WireError("the sizes in the header do not add up")
    blobs = []
    for size in sizes:
        blobs.append(data[start : start + size])
        start += size
    return Frame(header, tuple(blobs))
