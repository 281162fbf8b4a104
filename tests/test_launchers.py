"""`-m` through launchers that carry each run elsewhere: submitit's own processes, Ray's nodes."""

from pathlib import Path

import pytest
from sweep_lab import SWEEP, launcher, make_project, noted, sweep

# Two nodes with a core each. Once both are at work one of them dies; the other does it all.
CLUSTER = """
import sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from dllab.config.sweep import multirun
from dllab.lab.find import find_lab

root = Path.cwd()

def slow(root, lab_id, overrides):
    node = ray.get_runtime_context().get_node_id()
    (root / "begun" / node).touch()
    while len(list((root / "begun").iterdir())) < 2:
        time.sleep(0.1)
    time.sleep(5)
    (root / "noted" / overrides[0]).write_text(node)
    return 0

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)

def lose_the_second():
    while len(list((root / "begun").iterdir())) < 2:
        time.sleep(0.1)
    cluster.remove_node(second, allow_graceful=False)

threading.Thread(target=lose_the_second, daemon=True).start()
init = "hydra.launcher.ray.init"
where = [f"+{init}.address={cluster.address}", f"+{init}.object_store_memory=null"]
multirun(find_lab(root, "90"), ["seed=1,2,3", "hydra/launcher=ray", *where], slow)
ray.shutdown()
cluster.shutdown()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(
            ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
            marks=launcher("hydra-joblib-launcher", "sweep"),
            id="joblib",
        ),
        pytest.param(
            ["hydra/launcher=submitit_local"],
            marks=launcher("hydra-submitit-launcher", "sweep"),
            id="submitit",
        ),
        pytest.param(
            ["hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"],
            marks=launcher("hydra-ray-launcher", "ray"),
            id="ray",
        ),
    ],
)
def test_a_launcher_runs_every_combination_and_tells_what_failed(
    root: Path, words: list[str]
) -> None:
    done = sweep(root, SWEEP, "model.lr=0.1,13,0.2", *words)
    assert done.returncode == 2, done.stderr
    assert "thirteen brings bad luck" in done.stdout
    assert noted(root) == ["model.lr=0.1", "model.lr=0.2"]
    processes = {path.name.rpartition("-")[2] for path in (root / "noted").iterdir()}
    assert done.stdout.split()[-1] not in processes, "no run in the process that was asked"


@pytest.mark.slow
@launcher("hydra-ray-launcher", "ray")
def test_a_sweep_spreads_over_two_nodes_and_survives_the_loss_of_one(root: Path) -> None:
    done = sweep(root, CLUSTER)
    assert done.returncode == 0, done.stderr
    assert len(list((root / "begun").iterdir())) == 2
    finished = {path.name: path.read_text() for path in (root / "noted").iterdir()}
    assert sorted(finished) == ["seed=1", "seed=2", "seed=3"]
    assert len(set(finished.values())) == 1, "the node that was left has run them all"
