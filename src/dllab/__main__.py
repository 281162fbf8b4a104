"""`python -m dllab` is `dllab`."""

import os
import sys

# `-m` looks for modules in the working directory first: a scratch random.py there would be
# everybody's. The command `dllab` never does.
if not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - before pathlib
    del sys.path[0]

from dllab.cli import main

if __name__ == "__main__":  # the ranks of a run import this module without running it
    sys.exit(main())
