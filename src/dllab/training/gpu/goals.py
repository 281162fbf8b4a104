"""The goals G2 to G4, on made-up batches: what is measured is speed, and no data set is needed."""

import time
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from dllab.training.gpu.clock import Goal, Size, Step, ratios, seconds, synchronize

G2 = Goal("G2", "GPT-124M, bf16 and compile: MFU ≥ 0.45", 0.45)
G3 = Goal("G3-speed", "bf16-mixed against fp32 (TF32 off): ≥ 2.0 x", 2.0)
G4 = Goal("G4-step", "Lightning's step against a bare one: ≤ 1.02 x", 1.02, at_least=False)
COMPILE = Goal("compile", "torch.compile against eager, fp32: recorded")

# Dense bf16 FLOP/s by the makers' data sheets, without sparsity.
PEAK = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "4090": 165e12,
}


def convnet(size: Size) -> nn.Sequential:
    """A plain CNN for 32 x 32 pictures, three convolutions a stage."""
    layers: list[nn.Module] = []
    before = 3
    for width in size.widths:
        for fan_in in (before, width, width):
            layers += [nn.Conv2d(fan_in, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
            layers += [nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def training_step(
    net: nn.Module, size: Size, *, mixed: bool = False, compiled: bool = False
) -> Step:
    """One whole step, bare: forward, backward, optimiser."""
    net.to(size.device)
    if compiled:
        net.compile()
    x, label = _batch(size)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(size.device, torch.bfloat16, enabled=mixed):
            loss = F.cross_entropy(net(x), label)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _batch(size: Size) -> tuple[Tensor, Tensor]:
    shape = (size.batch, 3, 32, 32)
    return torch.randn(shape, device=size.device), torch.randint(
        10, (size.batch,), device=size.device
    )


def mixed_precision(size: Size) -> dict[str, Any]:
    """G3: TF32 is off in both, so that fp32 means fp32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    full = training_step(convnet(size), size)
    mixed = training_step(convnet(size), size, mixed=True)
    return G3.measured(ratios(full, mixed, size), f"CNN {size.widths}, batch {size.batch}")


def compiled(size: Size) -> dict[str, Any]:
    """The same net with and without torch.compile."""
    eager = training_step(convnet(size), size)
    fast = training_step(convnet(size), size, compiled=True)
    return COMPILE.measured(ratios(eager, fast, size), f"CNN {size.widths}, batch {size.batch}")


class _Module(L.LightningModule):
    """The same step in Lightning's hands."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        x, label = batch
        return F.cross_entropy(self.net(x), label)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01, momentum=0.9)


class _Same:
    """One batch, over and over, already on the device."""

    def __init__(self, size: Size) -> None:
        self._batch, self._steps = _batch(size), size.steps

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Any:
        return iter([self._batch] * self._steps)


class _Stopwatch(Callback):
    """Times the steps of a fit behind the first few, in which things are set up."""

    def __init__(self, size: Size) -> None:
        self._size, self._start, self.step_s = size, 0.0, 0.0

    def on_train_batch_end(self, *args: Any) -> None:
        """`args` ends with the number of the batch."""
        if args[-1] == self._size.steps // 5:
            synchronize(self._size.device)
            self._start = time.perf_counter()

    def on_train_end(self, *_args: Any) -> None:
        """All that was asked of the device is done, too."""
        synchronize(self._size.device)
        counted = self._size.steps - 1 - self._size.steps // 5
        self.step_s = (time.perf_counter() - self._start) / counted


def framework(size: Size) -> dict[str, Any]:
    """G4: a step within a fit against a bare one; both interleaved."""
    bare = training_step(convnet(size), size)
    batches, module, watch = _Same(size), _Module(convnet(size)), _Stopwatch(size)

    def fit() -> float:
        L.Trainer(
            max_epochs=1,
            accelerator="gpu" if size.device == "cuda" else "cpu",
            devices=1,
            callbacks=[watch],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(module, batches)
        return watch.step_s

    fit(), seconds(bare, size.steps, size.device)
    pairs = [(fit(), seconds(bare, size.steps, size.device)) for _ in range(size.pairs)]
    why = f"a bare step takes {1000 * pairs[-1][1]:.2f} ms"
    return G4.measured([ours / theirs for ours, theirs in pairs], why)


class GPT(nn.Module):
    """GPT-2's shape (Radford et al., 2019), only as far as its arithmetic goes."""

    def __init__(self, layers: int, heads: int, width: int, tokens: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(50304, width)  # a multiple of 64, as nanoGPT has it
        self.place = nn.Embedding(tokens, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits, [B, T, V]; the embedding is the head too."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embed(tokens) + self.place(places)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embed.weight)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attention to what came before, then an MLP; [B, T, D] both."""
        qkv = self.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind()
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        grown: Tensor = self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        return x + grown


def flops_per_token(net: GPT, layers: int, width: int, tokens: int) -> float:
    """6 N + 12 L d T, N without the place embedding (PaLM, Chowdhery et al., 2022, appendix B)."""
    parameters = sum(p.numel() for p in net.parameters()) - net.place.weight.numel()
    return 6 * parameters + 12 * layers * width * tokens


def language_model(size: Size) -> dict[str, Any]:
    """G2: the share of the chip's peak arithmetic that the model's own FLOPs come to."""
    name = torch.cuda.get_device_name() if size.device == "cuda" else "CPU"
    peak = next((flops for key, flops in PEAK.items() if key in name), None)
    if peak is None and size.device == "cuda":
        return G2.not_measured(f"the peak of {name} is not in the table")
    layers, _, width, tokens = size.gpt
    net = GPT(*size.gpt).to(size.device)
    net.compile()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4, fused=True)
    text = torch.randint(50257, (size.gpt_batch, tokens + 1), device=size.device)

    def step() -> None:
        with torch.autocast(size.device, torch.bfloat16):
            logits = net(text[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    seconds(step, 3, size.device)
    work = flops_per_token(net, layers, width, tokens) * size.gpt_batch * tokens
    steps = max(1, size.steps // 5)
    times = [seconds(step, steps, size.device) for _ in range(size.pairs)]
    rate = size.gpt_batch * tokens / min(times)
    why = f"{name}, batch {size.gpt_batch} x {tokens}, best {rate:,.0f} tokens/s"
    return G2.measured([work / (peak or 1e12) / s for s in times], why)
