"""`python -m dllab` is `dllab`."""

import sys

from dllab.cli import main

if __name__ == "__main__":  # the ranks of a run import this module without running it
    sys.exit(main())
