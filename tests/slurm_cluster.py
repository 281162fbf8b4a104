"""A Slurm cluster of two nodes on this machine: real daemons, all files in one folder."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# In Debian's packages slurmctld, slurmd, slurm-client and munge.
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
NODES = ("node1", "node2")

CONFIG = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
PartitionName=lab Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1\n"


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start the daemons; the environment in which `sbatch` and its like find them."""
    config = _configure(folder)
    environment = {**os.environ, "SLURM_CONF": str(config), "MASTER_ADDR": "127.0.0.1"}
    with ExitStack() as stack:

        def daemon(*words: str) -> None:
            log = stack.enter_context((folder / f"{words[0]}{len(words)}.log").open("a"))
            process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
            stack.callback(_end, process)

        daemon("munged", "--foreground", "--force", *_munge_files(folder))
        _wait_for((folder / "munge.socket").exists, folder)
        daemon("slurmctld", "-D", "-f", str(config))
        for node in NODES:
            daemon("slurmd", "-D", "-f", str(config), "-N", node)
        _wait_for(lambda: _idle_nodes(environment) == len(NODES), folder)
        yield environment


def _configure(folder: Path) -> Path:
    folder.chmod(0o755)
    for name in ("state", *NODES):
        (folder / name).mkdir()
    control, *ports = _free_ports(1 + len(NODES))
    host = socket.gethostname()
    text = CONFIG.format(folder=folder, control=control, host=host)
    for name, port in zip(NODES, ports, strict=True):
        text += NODE.format(name=name, host=host, port=port)
    config = folder / "slurm.conf"
    config.write_text(text)
    return config


def _munge_files(folder: Path) -> list[str]:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    files = {"key-file": key, "socket": folder / "munge.socket"}
    files |= {f"{kind}-file": folder / f"munge.{kind}" for kind in ("pid", "log", "seed")}
    return [f"--{name}={file}" for name, file in files.items()]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _idle_nodes(environment: dict[str, str]) -> int:
    command = ["scontrol", "show", "nodes", "--oneliner"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return told.stdout.count("State=IDLE ")


def _wait_for(condition, folder: Path, patience_s: float = 60) -> None:
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            logs = {log.name: log.read_text()[-2000:] for log in folder.glob("*.log")}
            raise TimeoutError(f"the cluster did not come up: {logs}")
        time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def missing_programs() -> list[str]:
    """What a cluster would need and this machine lacks."""
    return [name for name in PROGRAMS if not shutil.which(name)]
