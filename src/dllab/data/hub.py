"""Data sets from the Hugging Face hub, or from a folder of parquet files laid out the same way."""

from pathlib import Path

import torch

from dllab.data.files import DataError
from dllab.data.png import decode_png
from dllab.data.rows import Rows

PROBE_S = 5


def read_hub(name: str) -> Rows:
    """Training rows, then test rows, of a hub repository (or folder) of pictures with labels.

    Raises:
        DataError: `datasets` is missing, or the hub cannot be reached, or the layout is another.

    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            "the hub is read by the package datasets, which is not installed",
            "pip install 'dllab[learn]'",
        ) from error
    try:
        _probe(name)
        splits = datasets.load_dataset(name)
        table = datasets.concatenate_datasets([splits["train"], splits["test"]])
        picture = "image" if "image" in table.column_names else "img"
        table = table.cast_column(picture, datasets.Image(decode=False))
        images = torch.stack([decode_png(cell["bytes"]) for cell in table[picture]])
        return {"image": images, "label": table.with_format("torch")["label"][:]}
    except Exception as error:  # the hub's errors share no base class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"the hub did not deliver {name}: {reason}", "check the connection"
        ) from error


def _probe(name: str) -> None:
    """Fail within seconds where there is no hub; `datasets` would retry for half a minute."""
    import huggingface_hub

    if not Path(name).is_dir() and not huggingface_hub.constants.HF_HUB_OFFLINE:
        huggingface_hub.HfApi().dataset_info(name, timeout=PROBE_S)
