"""After the last arm: what the lab hands in beside its weights."""

import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from dllab.config.schema import Config
from dllab.errors import LearnerError
from dllab.lab.artifacts import EXPORT, ArtifactError, make_artifacts
from dllab.lab.code import Implementation, import_lab, learner_error
from dllab.lab.find import Lab
from dllab.rundir.run import RunFolder


def write_artifacts(
    run: RunFolder, lab: Lab, impl: Implementation, configs: dict[str, Config]
) -> None:
    """Let learner code make the artifacts that lab.yaml lists, and keep them with the run.

    Raises LearnerError when it fails, or makes others than those.
    """
    module = import_lab(lab, impl.path)
    wanted = {name: artifact.max_bytes for name, artifact in lab.spec.artifacts.items()}
    models = {}
    for arm, config in configs.items():
        models[arm] = module.Model(**config.model).eval()
        models[arm].load_state_dict(load_file(run.arm(arm).weights))
    with tempfile.TemporaryDirectory() as folder:
        try:
            with torch.no_grad():
                made = make_artifacts(module, wanted, models, Path(folder))
        except ArtifactError as error:
            raise LearnerError(str(error), "", f"see {EXPORT} in lab.py") from None
        except Exception as error:
            raise learner_error(error, impl.path, f"{EXPORT} failed") from error
    shutil.rmtree(run.artifacts, ignore_errors=True)
    run.artifacts.mkdir()
    for name, content in made.items():
        run.artifact(name).write_bytes(content)
