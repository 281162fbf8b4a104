#!/usr/bin/env bash
# Gradescope runs this for each submission and then reads results/results.json.
set -euo pipefail

prefix=${DLLAB_AUTOGRADER:-/autograder}
cd "$prefix/source/project"
exec "$prefix/venv/bin/python" -m dllab.export.autograder "$prefix"
