"""What a run cost: measured time and memory, and energy and money at rates that are stated."""

from dataclasses import dataclass
from typing import Any

# Assumptions, shown on the page beside every number that rests on them.
CORE_WATTS = 10.0  # a busy core of a server processor with its share of memory and cooling
GPU_WATTS = 300.0  # a data-centre GPU under load
CORE_HOUR_USD = 0.04  # a rented core, list price of the large providers
GPU_HOUR_USD = 2.50  # a rented data-centre GPU


@dataclass(frozen=True)
class Fact:
    """One line of the cost card; `how` says where the number comes from."""

    name: str
    value: str
    how: str = ""


def cost_facts(card: dict[str, Any]) -> list[Fact]:
    """The cost card of a run; empty when the run card holds no times."""
    cost = card.get("cost") or {}
    if "wall_s" not in cost:
        return []
    wall, cpu = float(cost["wall_s"]), float(cost.get("cpu_s") or 0)
    gpus = list((card.get("hardware") or {}).get("gpus") or [])
    facts = [Fact("Wall time", duration(wall)), Fact("CPU time", duration(cpu))]
    if cost.get("peak_memory_mb"):
        facts.append(Fact("Peak memory", f"{cost['peak_memory_mb']:,.0f} MiB"))
    if cost.get("flops"):
        how = "training: the products and convolutions of one step, times the steps"
        facts.append(Fact("Computation", f"{_scaled(float(cost['flops']))}FLOP", how))
    return [*facts, _energy(wall, cpu, len(gpus)), _money(wall, cpu, len(gpus))]


def duration(seconds: float) -> str:
    """Seconds as a person says them: 7.4 s, 2 min 05 s, 1 h 12 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _energy(wall: float, cpu: float, gpus: int) -> Fact:
    joules = cpu * CORE_WATTS + wall * gpus * GPU_WATTS
    how = f"estimated at {CORE_WATTS:g} W for each busy core"
    if gpus:
        how += f" and {GPU_WATTS:g} W for each GPU"
    return Fact("Energy", f"{joules / 3600:.2g} Wh", how)


def _money(wall: float, cpu: float, gpus: int) -> Fact:
    dollars = cpu / 3600 * CORE_HOUR_USD + wall / 3600 * gpus * GPU_HOUR_USD
    how = f"at {CORE_HOUR_USD:g} USD for a core-hour"
    if gpus:
        how += f" and {GPU_HOUR_USD:g} USD for a GPU-hour"
    value = f"{dollars:.2f} USD" if dollars >= 0.01 else f"{dollars * 100:.2g} US cents"
    return Fact("Money", value, how)


def _scaled(value: float) -> str:
    for prefix, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g} "
