"""G2: a GPT of 124 million parameters in bf16, compiled: the share of the chip's peak it reaches.

The network of GPT-2 small (Radford et al., 2019) without biases, its vocabulary padded to a
multiple of 64, AdamW fused. FLOPs are the model's own (PaLM's count, with the unpadded vocabulary),
not what the kernels add; the peak is the maker's for dense bf16.
"""

import dataclasses
import gc
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.gpu.harness import Plan, Step, seconds
from bench.measure import Result, judged

# Dense bf16 FLOP/s by the makers' data sheets, without sparsity.
PEAK = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "4090": 165e12,
}
FLASH, CUDNN = SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION


@dataclass(frozen=True)
class Shape:
    """A network, and how much text it reads in a step."""

    layers: int = 12
    heads: int = 12
    width: int = 768
    tokens: int = 1024
    words: int = 50257
    batch: int = 64


TINY = Shape(layers=1, heads=2, width=16, tokens=32, words=100, batch=2)


class Block(nn.Module):
    """Attention to what came before, then an MLP; [B, T, D] both."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norm1, self.norm2 = (nn.LayerNorm(width, bias=False) for _ in range(2))
        self.qkv, self.out = _linear(width, 3 * width), _linear(width, width)
        self.up, self.down = _linear(width, 4 * width), _linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """One residual branch after the other."""
        parts = self.qkv(self.norm1(x)).unflatten(2, (3, self.heads, -1)).transpose(1, 3)
        q, k, v = parts.unbind(2)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        grown: Tensor = self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        return x + grown


def _linear(fan_in: int, fan_out: int) -> nn.Linear:
    return nn.Linear(fan_in, fan_out, bias=False)


class GPT(nn.Module):
    """Words and places → blocks → the loss of each next word; the head shares the words' table."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        padded = -(-shape.words // 64) * 64
        self.word = nn.Embedding(padded, shape.width)
        self.place = nn.Embedding(shape.tokens, shape.width)
        self.blocks = nn.Sequential(*(Block(shape) for _ in range(shape.layers)))
        self.norm, self.head = nn.LayerNorm(shape.width, bias=False), _linear(shape.width, padded)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        self.head.weight = self.word.weight

    def forward(self, text: Tensor) -> Tensor:
        """The mean cross-entropy of [B, T + 1] words, float32 []."""
        seen, wanted = text[:, :-1], text[:, 1:]
        x = self.word(seen) + self.place(torch.arange(seen.shape[1], device=text.device))
        logits = self.head(self.norm(self.blocks(x.bfloat16())))  # half the traffic between blocks
        return F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten())


def flops_per_token(shape: Shape) -> float:
    """6 N + 12 L d T, N without the places (PaLM, Chowdhery et al., 2022, appendix B)."""
    block = 12 * shape.width**2 + 2 * shape.width
    parameters = shape.layers * block + shape.words * shape.width + shape.width
    return 6 * parameters + 12 * shape.layers * shape.width * shape.tokens


def training_step(shape: Shape, attention: SDPBackend, plan: Plan) -> Step:
    """Forward and loss in bf16 as one compiled graph, backward, AdamW."""
    torch.compiler.reset()
    torch.manual_seed(0)
    net = GPT(shape).to(plan.device)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4, weight_decay=0.1, fused=True)
    text = torch.randint(shape.words, (shape.batch, shape.tokens + 1), device=plan.device)
    loss_of = net if plan.dry else torch.compile(net)

    def step() -> None:
        with torch.autocast(plan.device, torch.bfloat16), sdpa_kernel(attention):
            loss = loss_of(text)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def warm(shape: Shape, attention: SDPBackend, plan: Plan) -> Step | None:
    """A step that has run, so that it is compiled; None where memory was too small."""
    try:
        step = training_step(shape, attention, plan)
        seconds(step, plan.size(3, 1), plan.device)
    except torch.OutOfMemoryError:
        return None
    return step


def largest(shape: Shape, attention: SDPBackend, plan: Plan) -> tuple[Shape, Step]:
    """A warm step, with half the batch as often as memory asks for it."""
    while (step := warm(shape, attention, plan)) is None:
        _free()
        shape = dataclasses.replace(shape, batch=shape.batch // 2)
    return shape, step


def _free() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def measure(plan: Plan) -> Iterator[Result]:
    """The better of two kernels for attention, told anew once the second is known."""
    torch.set_float32_matmul_precision("high")  # what stays in fp32 is not what is measured
    chip = plan.size(torch.cuda.get_device_name, lambda: "H100")()
    peak = next((flops for key, flops in PEAK.items() if key in chip), None)
    if peak is None:
        raise SystemExit(f"the peak of {chip} is not known to bench/gpu/gpt.py")
    best: list[float] = []
    tried: list[str] = []
    for attention in plan.size((FLASH, CUDNN), (SDPBackend.MATH,)):
        name = attention.name.lower()
        try:
            shape, step = largest(plan.size(Shape(), TINY), attention, plan)
        except RuntimeError as error:  # this GPU or this torch has no such kernel
            tried.append(f"{name}: {str(error).splitlines()[0]}")
            continue
        times = [seconds(step, plan.size(8, 1), plan.device) for _ in range(plan.pairs)]
        work = flops_per_token(shape) * shape.batch * shape.tokens
        shares = [100 * work / peak / each for each in times]
        rate = shape.batch * shape.tokens / min(times)
        tried.append(f"{name}, batch {shape.batch}: {max(shares):.1f} %, {rate:,.0f} tokens/s")
        if not best or statistics.median(shares) > statistics.median(best):
            best = shares
        yield judged("G2", best, "; ".join(tried))
        del step  # and with it the network, before the next one is built
        _free()
