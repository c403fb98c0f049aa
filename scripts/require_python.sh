#!/usr/bin/env bash
# Fails with one clear line unless the given Python is 3.11 or later and can make virtual environments.
set -euo pipefail
python=${1:-python3}
if ! command -v "$python" >/dev/null; then
    echo "error: $python is not installed; install Python 3.11 or later, or name one: make PYTHON=/path/to/python" >&2
    exit 2
fi
"$python" - <<'PY'
import sys
if sys.version_info < (3, 11):
    sys.exit(f"error: {sys.executable} is Python {sys.version.split()[0]}; this needs 3.11 or later: make PYTHON=…")
try:
    import ensurepip, venv
except ImportError:
    sys.exit("error: this Python cannot make virtual environments; on Debian: apt-get install python3-venv")
PY
