#!/usr/bin/env bash
# Run bench.gpu where dllab is not installed and nothing can be fetched, with what bundle.sh gathered.
#
#   PYTHON=python3 bench/gpu/uninstalled.sh [words of python -m bench.gpu …]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
install() {
  "$1" -m pip "${@:2}" install --quiet --no-index --no-deps --no-cache-dir \
    --disable-pip-version-check .gpu/wheels/*.whl
}

# Into the Python itself, since a sandbox shows nothing else; where that cannot be written, into an
# environment over it, where all but the sandbox works.
if ! install "$python"; then
  above=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  layer=$(mktemp -d)
  "$python" -m venv --without-pip "$layer"
  install "$python" --python "$layer/bin/python"
  python=$layer/bin/python
  echo "$above" > "$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/above.pth"
fi
mkdir -p .cache/downloads
cp -rn .gpu/downloads/. .cache/downloads/
PYTHONPATH=src PYTHONUNBUFFERED=1 exec "$python" -m bench.gpu "$@"
