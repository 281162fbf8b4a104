"""What one session may use."""

from dataclasses import dataclass

from dllab.lab.spec import Budgets


@dataclass(frozen=True)
class Limits:
    """Seconds are wall time. `reply_bytes` caps one reply, `log_bytes` what is kept of the log."""

    start_s: float = 120.0
    request_s: float = 60.0
    total_s: float = 900.0
    memory_mb: int = 4096
    reply_bytes: int = 256 << 20
    log_bytes: int = 64 << 10
    threads: int = 1
    processes: int = 64
    sockets: bool = False

    @classmethod
    def of(cls, budgets: Budgets) -> "Limits":
        """The limits that a lab.yaml asks for."""
        return cls(
            request_s=budgets.probe_s,
            memory_mb=budgets.memory_mb,
            processes=budgets.processes,
            sockets=budgets.sockets,
        )
