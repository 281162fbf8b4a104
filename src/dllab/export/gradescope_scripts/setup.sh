#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image: Python, the sandbox, dllab.
set -euo pipefail

prefix=${DLLAB_AUTOGRADER:-/autograder}
project=$prefix/source/project

# bubblewrap keeps a submission apart from the grader; dllab runs on Python 3.11 to 3.13.
find_python() {
  for python in python3.11 python3.12 python3.13; do
    "$python" -c "import ensurepip, venv" 2>/dev/null && echo "$python" && return
  done
  return 1
}

if ! command -v bwrap >/dev/null || ! find_python >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends bubblewrap
  for python in python3.11 python3.12 python3.13; do
    find_python >/dev/null && break
    apt-get install -y -qq --no-install-recommends "$python" "$python-venv" || true
  done
fi

python=$(find_python) || { echo "dllab needs Python 3.11 to 3.13 with venv" >&2; exit 1; }
"$python" -m venv "$prefix/venv"
"$prefix/venv/bin/python" -m pip install -q -c "$project/constraints.txt" "$project[grade]"
