# shellcheck shell=bash
# To be sourced: sets `orchestrator` to the program beside these scripts, else the one on the PATH.
orchestrator=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)/.venv/bin/orchestrator
if [[ ! -x $orchestrator ]] && ! orchestrator=$(command -v orchestrator); then
    echo "error: orchestrator is not installed; make venv beside these scripts, or pip install it" >&2
    exit 3
fi
