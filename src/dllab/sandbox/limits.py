"""What one session may use."""

from dataclasses import dataclass, replace

from dllab.lab.spec import Budgets

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Seconds are wall time, `cpu_s` the CPU time of all processes of one worker together.

    `memory_mb` holds for each process and for all together, `scratch_mb` for what lies in the
    scratch folder (a tmpfs behind a wall). `reply_bytes` caps one reply, `log_bytes` what is kept
    of the log. `files` is how many may be open at once. `sockets` grants the internet families, in
    a network of the job's own where nothing but itself can be reached; `gpu` the NVIDIA devices.
    """

    start_s: float = 120.0
    request_s: float = 60.0
    total_s: float = 900.0
    cpu_s: float = 3600.0
    memory_mb: int = 4096
    scratch_mb: int = 256
    reply_bytes: int = 256 * MB
    log_bytes: int = 64 << 10
    threads: int = 1
    processes: int = 64
    files: int = 256
    sockets: bool = False
    gpu: bool = False

    @classmethod
    def of(cls, budgets: Budgets) -> "Limits":
        """The limits that a lab.yaml asks for."""
        return cls(
            request_s=budgets.probe_s,
            memory_mb=budgets.memory_mb,
            processes=budgets.processes,
            sockets=budgets.sockets,
            gpu=budgets.gpu,
        )

    @classmethod
    def of_training(cls, budgets: Budgets) -> "Limits":
        """The same with time for a training.

        Three times the budget: a machine that grades many at once is slow, and all that matters
        here is that what hangs is ended.
        """
        seconds = 3 * budgets.train_s
        return replace(cls.of(budgets), request_s=seconds, total_s=seconds + cls.start_s)
