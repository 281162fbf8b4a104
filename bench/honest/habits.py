"""How learners write, save and type one and the same work: habits, rewrites, layouts, encodings."""

import ast
from collections.abc import Callable, Mapping

Rewrite = Callable[[str], str]


def below_the_docstring(source: str, text: str) -> str:
    """The text after what must stand first: the docstring, and imports from the future."""
    body = ast.parse(source).body
    first = [n for n in body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        first.append(body[0])
    lines = source.splitlines(keepends=True)
    place = max((node.end_lineno or 0 for node in first), default=0)
    return "".join([*lines[:place], "\n", text.strip("\n"), "\n", *lines[place:]])


HABITS: Mapping[str, str] = {
    "seeds": """
import random
import numpy as np
import torch
random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
""",
    "deterministic": """
import os
import torch
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
torch.use_deterministic_algorithms(True, warn_only=True)
""",
    "slow imports": """
import time
import scipy.stats
import sklearn.metrics
import torchvision.transforms.v2
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
time.sleep(1.5)
""",
    "prints": """
import sys
print("cuda?", __import__("torch").cuda.is_available(), "größer als je zuvor ✓")
print("x" * 200_000, file=sys.stderr, flush=True)
""",
    "logging": """
import logging
logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(message)s")
log = logging.getLogger(__name__)
log.info("imported from %s", __file__)
""",
    "quiet": """
import warnings
warnings.filterwarnings("ignore")
""",
    "dataclasses": """
import dataclasses
import enum
from typing import ClassVar, NamedTuple

class Stage(enum.Enum):
    FIT, SCORE = 1, 2

@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    lr: float = 0.1
    widths: list[int] = dataclasses.field(default_factory=lambda: [32, 10])
    stage: "Stage" = Stage.FIT
    LIMIT: ClassVar[int] = 3

class Point(NamedTuple):
    x: float
    y: float = 0.0

SETTINGS = dataclasses.replace(Settings(), lr=0.2)
""",
    "hints": """
from collections.abc import Callable, Iterator
from typing import Any, Generic, Literal, Optional, Protocol, TypeVar, Union, overload
import torch
T = TypeVar("T")
Batch = dict[str, torch.Tensor]
Mode = Literal["train", "test"]

class Shaped(Protocol):
    def shape_of(self, of: "Batch") -> Optional[tuple[int, ...]]: ...

class Box(Generic[T]):
    def __init__(self, value: Union[T, None] = None) -> None:
        self.value: T | None = value
""",
    "globals": """
CALLS, CACHE = 0, {}
def count(step: int = 1) -> int:
    global CALLS
    CALLS += step
    CACHE[CALLS] = step
    return CALLS
count()
""",
    "lambdas": """
import functools
import operator
square = lambda x: x * x
compose = lambda *fs: functools.reduce(lambda f, g: lambda x: g(f(x)), fs)
half = compose(float, lambda x: x / 2)
first, *rest = sorted({"b": 2, "a": 1}.items(), key=operator.itemgetter(1))
assert half(square(2)) == 2.0
""",
    "a device": """
import torch
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.set_printoptions(precision=3, sci_mode=False)
torch.set_float32_matmul_precision("high")
""",
    "threads": """
import os
os.environ.setdefault("OMP_NUM_THREADS", "2")
import torch
torch.set_num_threads(2)
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    assert list(pool.map(abs, (-1, 2))) == [1, 2]
""",
    "files": """
import json
import tempfile
from pathlib import Path
with open("settings.json", "w") as file:
    json.dump({"lr": 0.1}, file)
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "log.txt").write_text("begun")
here = Path(__file__).resolve().parent
""",
    "endings": """
import atexit
import gc
import signal
import sys
atexit.register(print, "bye")
gc.collect()
sys.setrecursionlimit(5_000)
signal.signal(signal.SIGINT, signal.SIG_DFL)
""",
    "asks the machine": """
import os
import platform
import subprocess
try:
    GPU = subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=5).stdout
except (OSError, subprocess.SubprocessError):
    GPU = b""
CORES = os.cpu_count() or 1
SYSTEM = platform.platform()
""",
    "what may be missing": """
try:
    import einops_of_another_year as einops
except ImportError:
    einops = None
try:
    from torch.utils.tensorboard import SummaryWriter
except Exception:
    SummaryWriter = None
""",
    "a script": """
import argparse
def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    return parser.parse_args(argv)
if __name__ == "__main__":
    print(main())
""",
    "a class that counts": """
import torch
class Meter:
    instances = []
    def __init__(self, name, *args, **kwargs):
        self.name, self.total = name, torch.zeros(())
        type(self).instances.append(self)
    @property
    def mean(self):
        return float(self.total)
    @staticmethod
    def make(*names):
        return [Meter(name) for name in names]
    def __enter__(self):
        return self
    def __exit__(self, *exc):
        return False
with Meter("loss") as meter:
    meter.total += 1
""",
}


class _Bare(ast.NodeTransformer):
    """No hints of types."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        for argument in (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs):
            argument.annotation = None
        return node


class _Torch(ast.NodeTransformer):
    """`import torch as th`."""

    def visit_Import(self, node: ast.Import) -> ast.Import:
        for alias in node.names:
            if alias.name == "torch":
                alias.asname = "th"
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name("th", node.ctx) if node.id == "torch" else node


class _Decorated(ast.NodeTransformer):
    """Functions of the file under a decorator of the learner's own; methods stay."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if not node.decorator_list:
            node.decorator_list = [ast.Name("_timed", ast.Load())]
        return node


DECORATOR = """
import functools
import time
def _timed(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        begin = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            inner.seconds = getattr(inner, "seconds", 0.0) + time.perf_counter() - begin
    return inner
"""


def _transformed(by: type[ast.NodeTransformer]) -> Rewrite:
    return lambda source: ast.unparse(ast.fix_missing_locations(by().visit(ast.parse(source))))


def _with_a_base(source: str) -> str:
    """`Model` inherits all from a class of the learner's own."""
    if not _has(source, "Model"):
        return source
    return f"{source}\n\nclass _Plain:\n    pass\n\n\nclass Model(Model, _Plain):\n    pass\n"


def _has(source: str, name: str) -> bool:
    return any(isinstance(n, ast.ClassDef) and n.name == name for n in ast.parse(source).body)


REWRITES: Mapping[str, Rewrite] = {
    "no hints": _transformed(_Bare),
    "hints as text": lambda source: below_the_docstring(
        source, "from __future__ import annotations"
    ),
    "torch as th": _transformed(_Torch),
    "decorators": lambda source: below_the_docstring(_transformed(_Decorated)(source), DECORATOR),
    "a base class": _with_a_base,
}


def _predicts(body: str) -> Rewrite:
    """`Model.predict` calls what it was, now `plain`, in another way."""
    return lambda source: (
        f"{source}\n\n\ndef _other_way(plain):\n    def predict(self, batch):\n{body}\n"
        "    return predict\n\n\nModel.predict = _other_way(Model.predict)\n"
    )


WAYS: Mapping[str, Rewrite] = {
    "chunks": _predicts(
        "        import torch\n"
        "        parts = zip(*(v.split(7) for v in batch.values()))\n"
        "        return torch.cat([plain(self, dict(zip(batch, one))) for one in parts])"
    ),
    "compiled": _predicts(
        "        import torch\n"
        "        if not hasattr(self, '_fast'):\n"
        "            object.__setattr__(self, '_fast', torch.compile(\n"
        "                lambda one: plain(self, one), backend='eager', dynamic=True))\n"
        "        return self._fast(batch)"
    ),
    "one by one": _predicts(
        "        import torch\n"
        "        count = len(next(iter(batch.values())))\n"
        "        return torch.cat([plain(self, {n: v[i : i + 1] for n, v in batch.items()})\n"
        "                          for i in range(count)])"
    ),
    "loader workers": _predicts(
        "        import torch\n"
        "        from torch.utils.data import DataLoader\n"
        "        loader = DataLoader(range(len(next(iter(batch.values())))), 64, num_workers=2)\n"
        "        return torch.cat([plain(self, {n: v[i] for n, v in batch.items()})\n"
        "                          for i in loader])"
    ),
    "in double": _predicts("        return plain(self, batch).double().float()"),
    "many threads": _predicts(
        "        import torch\n"
        "        from concurrent.futures import ThreadPoolExecutor\n"
        "        parts = [{n: v[i::2] for n, v in batch.items()} for i in (0, 1)]\n"
        "        parts = [one for one in parts if len(next(iter(one.values())))]\n"
        "        with ThreadPoolExecutor(2) as pool:\n"
        "            done = list(pool.map(lambda one: plain(self, one), parts))\n"
        "        whole = done[0].new_empty((sum(map(len, done)), *done[0].shape[1:]))\n"
        "        for i, one in enumerate(done):\n"
        "            whole[i::2] = one\n"
        "        return whole"
    ),
}


def _tabs(source: str) -> str:
    """Four spaces at the beginning of a line as a tab."""
    lines = []
    for line in source.splitlines(keepends=True):
        bare = line.lstrip(" ")
        depth, rest = divmod(len(line) - len(bare), 4)
        lines.append("\t" * depth + " " * rest + bare)
    return "".join(lines)


LAYOUTS: Mapping[str, Rewrite] = {
    "as it is": lambda source: source,
    "unparsed": lambda source: ast.unparse(ast.parse(source)),
    "tabs": _tabs,
    "no last newline": lambda source: source.rstrip("\n"),
    "blank ends": lambda source: source.replace("\n", "  \n") + "\n" * 20,
    "form feeds": lambda source: source.replace("\nclass ", "\n\f\nclass "),
    "a shebang": lambda source: f"#!/usr/bin/env python3\n{source}",
    "comments": lambda source: f"# Übung, réponse, ответ, 答え: {'─' * 60}\n{source}\n# fin ☕\n",
}


def _latin(source: str) -> bytes:
    """What latin-1 has no letter for is left out."""
    return source.encode("latin-1", "ignore")


ENCODINGS: Mapping[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "byte order mark": lambda source: b"\xef\xbb\xbf" + source.encode(),
    "crlf": lambda source: source.replace("\n", "\r\n").encode(),
    "cr": lambda source: source.replace("\n", "\r").encode(),
    "mark and crlf": lambda source: b"\xef\xbb\xbf" + source.replace("\n", "\r\n").encode(),
    "latin-1": lambda source: _latin(f"# -*- coding: latin-1 -*- größer\n{source}"),
    "cookie": lambda source: f"# vim: set fileencoding=utf-8 :\n{source}".encode(),
}
