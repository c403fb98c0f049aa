#!/bin/sh
# Every required branch is there, has work of its own, its components and its results.
# Runs in the current repository, with or without a plan, and needs no daemon.
# Writes BRANCH_ENFORCEMENT_REPORT.md at its root. Exit status 0 or 1. ENFORCE_TESTS=1: runs the branches' tests, too.
set -u
if [ $# -ne 0 ]; then
    echo "usage: $0 (no arguments)" >&2
    exit 1
fi
source_root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
top=$(git rev-parse --show-toplevel) && cd "$top" || exit 1
report=$top/BRANCH_ENFORCEMENT_REPORT.md
errors=$(mktemp) || exit 1
trap 'rm -f "$errors"' EXIT

# The package beside this script, else the one that Python or the PATH has.
beside='import sys; sys.path.insert(0, sys.argv.pop(1)); import yaml, typer, git, pydantic, libtmux
from orchestrator.__main__ import main; sys.exit(main())'
orchestrator_here() {
    for python in "$source_root/.venv/bin/python" python3; do
        if "$python" -P -c "$beside" "$source_root" --version >/dev/null 2>&1; then
            "$python" -P -c "$beside" "$source_root" "$@"
            return
        fi
    done
    if command -v orchestrator >/dev/null 2>&1; then
        orchestrator "$@"
        return
    fi
    echo "orchestrator is neither in $source_root nor installed: make venv there, or pip install it" >&2
    return 3
}

if [ -n "${ENFORCE_TESTS-}" ]; then tests=; else tests=--no-tests; fi
orchestrator_here verify $tests --report "$report" 2>"$errors"
status=$?
cat "$errors" >&2
case $status in
    0 | 1) exit $status ;;
esac
{
    printf '# Branch enforcement report\n\n**FAILED**: the branches could not be looked at.\n\n'
    sed 's/^/    /' "$errors"
} >"$report"
exit 1
