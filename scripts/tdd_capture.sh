#!/bin/sh
# Runs a component's tests and keeps what they said: tdd_capture.sh red|green|refactor COMPONENT [CMD…]
set -eu
if [ $# -lt 2 ]; then
    echo "usage: $0 red|green|refactor COMPONENT [CMD...]" >&2
    exit 2
fi
phase=$1 component=$2
shift 2
[ "${1:-}" = "--" ] && shift
exec orchestrator tdd "$phase" "$component" ${1:+--} "$@"
