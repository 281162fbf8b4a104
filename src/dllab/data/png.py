"""Pictures as PNG and back: uint8 `[C,H,W]` with 1 or 3 channels. Pillow is imported when used."""

import base64
import io

import torch
from torch import Tensor


def encode_png(image: Tensor) -> bytes:
    """A picture as the bytes of a PNG file."""
    from PIL import Image

    pixels = image[0] if image.shape[0] == 1 else image.permute(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels.contiguous().numpy()).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def decode_png(data: bytes) -> Tensor:
    """The picture of a PNG file."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        pixels = torch.from_numpy(np.array(picture))
    return pixels.unsqueeze(0) if pixels.dim() == 2 else pixels.permute(2, 0, 1)


def data_uri(image: Tensor) -> str:
    """A picture as an address that a page can show."""
    return "data:image/png;base64," + base64.b64encode(encode_png(image)).decode()
