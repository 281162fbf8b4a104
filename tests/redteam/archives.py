"""Archives that `dllab submit` would never make: each function spoils an honest one on its stage.

The code inside is honest, so whatever comes in would earn all points: none of it may.
"""

import io
import json
import pickle
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from official_lab import (
    CHEATER,
    CURVE,
    HONEST,
    WEIGHTS,
    Files,
    Stage,
    declared,
    draw,
    unzipped,
    zipped,
)
from safetensors.torch import save

from dllab.submission import chain

LOOKUP = '''

class Model(Model):
    """Has learned by heart: every item of the public test split with its label."""

    def __init__(self, scale=1.0):
        super().__init__(scale)
        self.register_buffer("series", torch.zeros(400, 6, 1))
        self.register_buffer("label", torch.zeros(400, dtype=torch.int64))

    def predict(self, batch):
        valid = torch.arange(6) < batch["lengths"][:, None]
        distance = torch.cdist(batch["series"][..., 0] * valid, self.series[..., 0])
        known = distance.amin(1) < 1e-6
        scores = torch.nn.functional.one_hot(self.label[distance.argmin(1)], 2).float()
        return scores * known[:, None]
'''


def noise(characters: int) -> str:
    """Text that no packer makes much smaller."""
    return random.Random(0).randbytes(characters // 2).hex()


def with_file(stage: Stage, name: str, data: bytes = b"x = 1\n") -> Path:
    return stage.rebuild(stage.submit("x"), lambda files: files.update({name: data}))


def with_config(stage: Stage, text: str) -> Path:
    return with_file(stage, "config.yaml", text.encode())


def with_manifest(stage: Stage, **values: Any) -> Path:
    archive = stage.submit("x")
    files = unzipped(archive)
    manifest = {**json.loads(files["manifest.json"]), **values}
    archive.write_bytes(zipped({**files, "manifest.json": json.dumps(manifest).encode()}))
    return archive


def with_curve(stage: Stage, change: Callable[[str], str]) -> Path:
    def put(files: Files) -> None:
        name = "arms/main/curve.jsonl"
        files[name] = change(files[name].decode()).encode()

    return stage.rebuild(stage.submit("x"), put)


def link(stage: Stage) -> Path:
    archive = stage.submit("x")
    files = declared({**unzipped(archive), "starter.diff": b"/etc/passwd"})
    with zipfile.ZipFile(archive, "w") as made:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            kind = stat.S_IFLNK if name == "starter.diff" else stat.S_IFREG
            entry.external_attr = (kind | 0o777) << 16
            made.writestr(entry, data)
    return archive


def case_twins(stage: Stage) -> Path:
    def put(files: Files) -> None:
        files["arms/MAIN/weights.safetensors"] = files["arms/main/weights.safetensors"]

    return stage.rebuild(stage.submit("x"), put)


def bomb(stage: Stage) -> Path:
    return with_file(stage, "arms/main/weights.safetensors", bytes(200 << 20))


def crowded_directory(stage: Stage) -> Path:
    archive = stage.submit("x")
    with zipfile.ZipFile(archive, "a") as made:
        for number in range(3000):
            made.writestr(f"arms/arm{number}/curve.jsonl", b"")
    return archive


def two_names(stage: Stage) -> Path:
    """The directory says lab.py where the file itself says something else."""
    archive = stage.submit("x")
    data = bytearray(archive.read_bytes())
    place = data.find(b"starter.diff")
    data[place : place + 12] = b"../outside.x"
    archive.write_bytes(data)
    return archive


def longer_than_said(stage: Stage) -> Path:
    """A file whose stream goes on after the size that the directory admits to."""
    archive = stage.submit("x")
    data = bytearray(archive.read_bytes())
    entry = data.rfind(b"lab.py") - 46
    assert data[entry : entry + 4] == b"PK\1\2"
    short = HONEST.encode()[:-40]
    struct.pack_into("<I", data, entry + 24, len(short))
    struct.pack_into("<I", data, entry + 16, zlib.crc32(short))
    archive.write_bytes(data)
    return archive


def truncated(stage: Stage) -> Path:
    archive = stage.submit("x")
    archive.write_bytes(archive.read_bytes()[:-100])
    return archive


def behind_a_comment(stage: Stage) -> Path:
    archive = stage.submit("x")
    with zipfile.ZipFile(archive, "a") as made:
        made.comment = b"PK\5\6" + bytes(18)
    return archive


def empty(stage: Stage) -> Path:
    archive = stage.submit("x")
    archive.write_bytes(b"")
    return archive


def nobody_may_read(stage: Stage) -> Path:
    """Not even a file: a folder that is called like an archive."""
    archive = stage.root / "archives" / "folder.zip"
    archive.mkdir(parents=True, exist_ok=True)
    return archive


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def pickled_weights(stage: Stage) -> Path:
    buffer = io.BytesIO()
    torch.save({"scale": Evil(stage.root / "LOOT")}, buffer)
    assert pickle.dumps(Evil(stage.root))
    return with_file(stage, "arms/main/weights.safetensors", buffer.getvalue())


def endless_header(stage: Stage) -> Path:
    return with_file(stage, "arms/main/weights.safetensors", struct.pack("<Q", 1 << 60) + b"{}")


def overlapping_tensors(stage: Stage) -> Path:
    entry = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}
    header = json.dumps({"scale": entry}).encode()
    data = struct.pack("<Q", len(header)) + header + bytes(4)
    return with_file(stage, "arms/main/weights.safetensors", data)


def heavy_source(stage: Stage) -> Path:
    return stage.submit("x", f"{HONEST}\nTABLE = {noise(2_000_000)!r}\n")


def table_in_the_code(stage: Stage) -> Path:
    """Hashes of a thousand rows that could be hidden ones, with their labels (F10)."""
    return stage.submit("x", f"{HONEST}\nTABLE = {noise(47_000)!r}\n")


def heavy_buffers(stage: Stage) -> Path:
    more = "\n\nclass Model(Model):\n    table = None\n"
    return stage.submit("x", HONEST + more, {**WEIGHTS, "table": torch.rand(500_000)})


def heavy_config(stage: Stage) -> Path:
    return stage.submit("x", model={"scale": 1.0, "table": [0.123456789] * 30_000})


def learned_the_public_test(stage: Stage) -> Path:
    public = draw(seed=8)
    weights = {**WEIGHTS, "series": public["series"], "label": public["label"]}
    return stage.submit("x", CHEATER + LOOKUP, weights)


def grows_by_config(stage: Stage) -> Path:
    return stage.submit("x", stage.code("grows_by_config"), model={"size": 1e12})


def targets_by_config(stage: Stage) -> Path:
    model = {"scale": 1.0, "_target_": f"os.system('touch {stage.root}/LOOT')"}
    return stage.submit("x", CHEATER, model=model)


def polished_curve(stage: Stage) -> Path:
    return with_curve(stage, lambda text: text.replace("0.25,", "0.05,").replace("0.25}", "0.05}"))


def honest_prefix(stage: Stage) -> Path:
    """The chain of an honest beginning, and a better end that nobody ran."""

    def forge(text: str) -> str:
        lines = text.splitlines()
        last = {**json.loads(lines[-1]), "train/loss": 0.001}
        return "\n".join([*lines[:-1], json.dumps(last)]) + "\n"

    return with_curve(stage, forge)


def chained_anew(stage: Stage) -> Path:
    """A curve that is made up from end to end: it is a claim, and wins nothing."""
    archive = stage.submit("x", CHEATER)
    files = unzipped(archive)
    run_id = json.loads(files["manifest.json"])["run_id"]
    made_up = chain.link(CURVE.replace("2.5", "0.0"), run_id)
    return stage.rebuild(
        archive, lambda all_: all_.update({"arms/main/curve.jsonl": made_up.encode()})
    )


def other_weights(stage: Stage) -> Path:
    data = save({"scale": torch.ones(2), "more": torch.ones(1)})
    return with_file(stage, "arms/main/weights.safetensors", data)


ARCHIVES: dict[str, Callable[[Stage], Path]] = {
    function.__name__: function
    for function in (
        link, case_twins, bomb, crowded_directory, two_names, longer_than_said, truncated,
        behind_a_comment, empty, nobody_may_read, pickled_weights, endless_header,
        overlapping_tensors, heavy_source, table_in_the_code, heavy_buffers, heavy_config,
        learned_the_public_test, grows_by_config, targets_by_config, polished_curve,
        honest_prefix, chained_anew,
        other_weights,
    )
}  # fmt: skip
ARCHIVES |= {
    "conftest": lambda stage: with_file(stage, "conftest.py"),
    "sitecustomize": lambda stage: with_file(stage, "sitecustomize.py"),
    "checkpoint": lambda stage: with_file(stage, "arms/main/last.ckpt"),
    "parent": lambda stage: with_file(stage, "../outside.py"),
    "parent_of_an_arm": lambda stage: with_file(stage, "arms/../weights.safetensors"),
    "absolute": lambda stage: with_file(stage, "/etc/cron.d/x"),
    "config_with_a_tag": lambda stage: with_config(stage, "a: !!python/name:os.system {}\n"),
    "config_with_aliases": lambda stage: with_config(stage, "a: &a [1]\nb: [*a, *a]\n"),
    "config_that_overflows_the_stack": lambda stage: with_config(
        stage, "[" * 100_000 + "]" * 100_000
    ),
    "config_with_a_date": lambda stage: with_config(
        stage, "arms: {main: {model: {scale: 2001-01-01}}}"
    ),
    "config_with_no_date": lambda stage: with_config(
        stage, "arms: {main: {model: {scale: 2001-99-99}}}"
    ),
    "config_with_no_number": lambda stage: with_config(stage, "a: 0x_\n"),
    "config_with_strange_keys": lambda stage: with_config(stage, "{[1, 2]: 3}"),
    "config_of_two": lambda stage: with_config(stage, "--- {}\n--- {}\n"),
    "config_that_is_a_list": lambda stage: with_config(stage, "[1, 2]"),
    "config_with_arms_in_a_list": lambda stage: with_config(stage, "arms: [main]"),
    "config_with_a_list_of_a_model": lambda stage: with_config(stage, "arms: {main: {model: [1]}}"),
    "config_without_end": lambda stage: with_config(stage, "a: " + noise(3_000_000)),
    "curve_without_bottom": lambda stage: with_curve(
        stage, lambda text: text + "[" * 100_000 + "\n"
    ),
    "lab_of_digits": lambda stage: with_manifest(stage, lab="9" * 5000),
    "lab_by_path": lambda stage: with_manifest(stage, lab="../../lab90_tiny"),
    "another_lab": lambda stage: with_manifest(stage, lab="lab01_mlp"),
    "run_that_steers": lambda stage: with_manifest(stage, run_id="\x1b[2J\ud800"),
    "files_that_steer": lambda stage: with_manifest(stage, files={"\x1b[2J": {}}),
}
