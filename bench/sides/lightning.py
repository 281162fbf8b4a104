"""Plain Lightning: a lab's reference under a Trainer as its documentation has it.

    python -m bench.sides.lightning NN [--epochs N]

Same model, same data module and loader, same number of threads (that of OMP_NUM_THREADS). The
Trainer keeps its defaults: a CSV log, a checkpoint at the end of each epoch. Tells the price of
building and fitting, without the imports.
"""

import argparse
from tempfile import TemporaryDirectory

from bench.measure import tell, timed
from bench.sides.reference import reference

# isort: split
# dllab mends torchvision's import on a CPU torch, so it comes first.
import lightning as L


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lab")
    parser.add_argument("--epochs", type=int, default=1)
    args = parser.parse_args()
    module, config = reference(args.lab)

    def fit() -> None:
        L.seed_everything(0, verbose=False)
        with TemporaryDirectory() as folder:
            trainer = L.Trainer(
                max_epochs=args.epochs,
                accelerator="cpu",
                devices=1,
                log_every_n_steps=config.trainer.log_every_n_steps,
                default_root_dir=folder,
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(module.Model(**config.model), module.Data(**config.data))

    tell(timed(fit))


if __name__ == "__main__":
    main()
