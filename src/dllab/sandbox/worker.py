"""The side of the boundary where learner code runs; the only dllab code beside it at grading.

    python -P -s -m dllab.sandbox.worker

Requests come on standard input and replies go to standard output, both moved away before learner
code is imported: what that prints lands on standard error, which is only a log. The worker holds
no label, no judge of a hidden check and no result; its answers are arrays or an exception's text.
"""

import importlib
import os
import resource
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dllab.checks import Check, Driver, Timing, standing
from dllab.checks.arrays import RESULT, as_arrays, no_tensor
from dllab.checks.blame import missing
from dllab.checks.cases import flat
from dllab.checks.plays import ARTIFACTS, ArtifactPath
from dllab.checks.probing import ReturnedError, call
from dllab.errors import LearnerError
from dllab.lab.artifacts import ArtifactError, make_artifacts
from dllab.lab.code import import_code, import_room, is_learners, learner_error
from dllab.lab.find import Lab
from dllab.lab.inference import predict_items
from dllab.lab.todo import NOT_DONE, PREFIX
from dllab.sandbox.wire import Arrays, Decoder, Frame, WireError, pack, unpack

if TYPE_CHECKING:
    from types import ModuleType

PROBE_MODULES = ("checks", "_author.probes")
MESSAGE_CHARS = 4_000
TRACEBACK_CHARS = 20_000
FILE_BYTES = 256 << 20


class UnusableError(Exception):
    """What learner code returned, or the weights, cannot be used; the message says why."""


def main() -> None:
    """Take the channel out of learner code's reach, then serve."""
    requests, replies = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(requests, replies)


def serve(requests: int, replies: int) -> None:
    """Answer requests on two file descriptors until the grader closes them.

    After a greeting, the first request opens a lab and the others use it. Every reply echoes the
    request's nonce and serial number.
    """
    worker = Worker()
    while (frame := _read(requests)) is not None:
        reply = worker.answer(frame).encode()
        while reply:
            reply = reply[os.write(replies, reply) :]


class Worker:
    """One lab with one learner's code, imported once for all requests."""

    def __init__(self) -> None:
        self._lab: Lab | None = None
        self._code = Path()
        self._exports: list[str] = []
        self._module: ModuleType | None = None
        self._model: nn.Module | None = None
        self._device = "cpu"

    def answer(self, frame: Frame) -> Frame:
        """Run one request. Whatever learner code raises, also SystemExit, becomes a reply."""
        echo = {key: frame.header[key] for key in ("nonce", "serial")}
        operations: dict[str, Callable[[Frame], Arrays]] = {
            "greet": self._greet,
            "open": self._open,
            "probe": self._probe,
            "cases": self._cases,
            "swap": self._swap,
            "predict": self._predict,
            "retrain": self._retrain,
            "artifacts": self._make_artifacts,
            "load": self._load,
            "call": self._call,
        }
        try:
            arrays = pack(_plain(operations[frame.header["op"]](frame)))
        except BaseException as error:  # noqa: BLE001 - nothing of theirs may end the worker
            return Frame({**echo, "failure": self._describe(error)})
        return Frame(echo, (arrays,))

    def _greet(self, frame: Frame) -> Arrays:
        for path in frame.header["reads"]:
            Path(path).read_bytes()
        return {}

    def _open(self, frame: Frame) -> Arrays:
        header = frame.header
        if header["practice"]:  # behind a wall no file may be open
            standing.answer(Path(standing.WHERE))  # in the scratch folder
        _limit(header["memory_mb"])
        torch.set_num_threads(header["threads"])
        self._lab = Lab(Path(header["root"]), Path(header["folder"]))
        os.environ[ARTIFACTS] = header["artifacts"]
        import_room(self._lab)
        if header["code"]:
            self._code = Path(header["code"])
            self._exports = header["exports"]
            self._module = import_code(self._lab, self._code, self._exports)
        return {}

    def _probe(self, frame: Frame) -> Arrays:
        module = frame.header["module"]
        assert self._lab is not None
        assert module in PROBE_MODULES
        probes = importlib.import_module(f"{self._lab.package}.{module}")
        found = getattr(probes, frame.header["function"])
        probe = found.probe if isinstance(found, Check | Driver | Timing) else found
        given = unpack(frame.blobs[0])
        torch.manual_seed(frame.header["seed"])
        return call(probe, self._module, given, frame.header["grad"])

    def _cases(self, frame: Frame) -> Arrays:
        name = frame.header["function"]
        function = getattr(self._module, name, None)
        if not callable(function):
            raise UnusableError(f"lab.py has no function {name}()")
        return flat(function())

    def _swap(self, frame: Frame) -> Arrays:
        assert self._lab is not None
        self._code = Path(tempfile.mkdtemp()) / "lab.py"
        self._code.write_bytes(frame.blobs[0])
        self._module = import_code(self._lab, self._code, self._exports)
        return {}

    def _predict(self, frame: Frame) -> Arrays:
        header, items = frame.header, unpack(frame.blobs[1])
        model = self._build(frame.blobs[0], header["model"], header["seed"])
        options = {key: header[key] for key in ("shared", "batch_size", "device")}
        return {"scores": predict_items(model, items, **options)}

    def _retrain(self, frame: Frame) -> Arrays:
        from dllab.sandbox.retrain import fit

        assert self._module is not None
        header = frame.header
        return fit(self._module, header["model"], header["data"], header["trainer"], header["seed"])

    def _make_artifacts(self, frame: Frame) -> Arrays:
        assert self._module is not None
        arms = zip(frame.header["models"].items(), frame.blobs, strict=True)
        models = {arm: self._build(blob, numbers, 0).eval() for (arm, numbers), blob in arms}
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            made = make_artifacts(self._module, frame.header["wanted"], models, Path(folder))
        return {name: torch.tensor(list(content)).byte() for name, content in made.items()}

    def _load(self, frame: Frame) -> Arrays:
        header, self._device = frame.header, frame.header["device"]
        model = self._build(frame.blobs[0], header["model"], header["seed"])
        self._model = model.to(self._device).eval()
        return {}

    def _call(self, frame: Frame) -> dict[str, Any]:
        """Call a method of the loaded model, or a function of lab.py; state stays between calls."""
        header = frame.header
        target = self._loaded if header["of"] == "model" else self._module
        method = getattr(target, header["method"], None)
        if not callable(method):
            raise UnusableError(f"{header['of']} has no {header['method']}() that can be called")
        arrays = {name: value.to(self._device) for name, value in unpack(frame.blobs[0]).items()}
        files = {name: ArtifactPath(file).path for name, file in header["artifacts"].items()}
        values = {**header["values"], **arrays, **files}
        positional = [values.pop(str(place)) for place in range(header["positional"])]
        with torch.no_grad():
            returned = method(*positional, **values)
        return as_arrays(returned) if header["answers"] else {}

    @property
    def _loaded(self) -> Any:
        if self._model is None:
            raise UnusableError("the process that held your model was lost")
        return self._model

    def _build(self, weights: bytes, numbers: dict[str, Any], seed: int) -> nn.Module:
        assert self._module is not None
        torch.manual_seed(seed)
        model: nn.Module = self._module.Model(**numbers)
        load_strictly(model, _read_weights(weights))
        return model

    def _describe(self, error: BaseException) -> dict[str, str]:
        """Kind, message and the learner's own frames; survives exceptions that cannot be shown."""
        try:
            kind = "memory" if _is_out_of_memory(error) else "raised"
            message, trace = self._explain(error)
        except BaseException as second:  # noqa: BLE001 - a hostile __str__ ends here
            kind, trace = "raised", ""
            message = f"{type(error).__name__}, which raised {type(second).__name__} when shown"
        return {
            "kind": kind,
            "message": message[:MESSAGE_CHARS],
            "traceback": trace[-TRACEBACK_CHARS:],
        }

    def _explain(self, error: BaseException) -> tuple[str, str]:
        text = str(error)
        if isinstance(error, UnusableError | ReturnedError | ArtifactError):
            return text, ""
        if isinstance(error, NotImplementedError) and text.startswith(PREFIX):
            return f"{NOT_DONE}{text.removeprefix(PREFIX)}", ""
        if isinstance(error, LearnerError):
            return error.what, error.traceback
        if is_learners(error, self._code):
            shown = learner_error(error, self._code, getattr(error, "what", "it raised"))
            return shown.what, shown.traceback
        return missing(error), ""


def load_strictly(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load a state dict; names and shapes must be exactly the model's.

    Raises UnusableError that names every missing, unexpected and misshapen entry.
    """
    own = model.state_dict()
    shapes = [
        f"{name} has shape {list(weights[name].shape)}, the model wants {list(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    missing = [f"{name} is missing" for name in own if name not in weights]
    unexpected = [f"{name} is not part of the model" for name in weights if name not in own]
    wrong = missing + unexpected + shapes
    if wrong:
        raise UnusableError(f"weights.safetensors does not fit Model: {'; '.join(wrong[:8])}")
    model.load_state_dict(dict(weights))


def _read_weights(blob: bytes) -> Arrays:
    try:
        return unpack(blob)
    except WireError as error:
        raise UnusableError(f"weights.safetensors is damaged: {error}") from None


def _plain(arrays: object) -> Arrays:
    """The arrays as plain CPU tensors. A subclass could equal everything, so none passes."""
    if not isinstance(arrays, dict):
        raise UnusableError(f"expected a dict of tensors, got {type(arrays).__name__}")
    return {str(name): _plain_tensor(str(name), value) for name, value in arrays.items()}


def _plain_tensor(name: str, value: object) -> Tensor:
    bare = value.detach() if isinstance(value, nn.Parameter) else value
    label = "" if name == RESULT else f"{name}: "
    if type(bare) is not Tensor:
        raise UnusableError(f"{label}{no_tensor(bare)}")
    if bare.layout is not torch.strided:
        raise UnusableError(f"{label}expected a dense tensor, got {bare.layout}")
    return bare.detach().cpu().resolve_conj().resolve_neg()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError)
        and any(sign in str(error) for sign in ("can't allocate memory", "bad_alloc"))
    )


def _limit(memory_mb: int) -> None:
    """Cap private memory and file sizes for good, where the platform can."""
    wanted = {
        "RLIMIT_DATA": memory_mb << 20,
        "RLIMIT_FSIZE": FILE_BYTES,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        with suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))


def _read(requests: int) -> Frame | None:
    decoder = Decoder()
    while data := os.read(requests, 1 << 20):
        if frame := decoder.feed(data):
            return frame
    return None


if __name__ == "__main__":
    main()
