#!/usr/bin/env bash
# Any long command, here, with a heartbeat and a log beside it; ends with the command's own status.
set -euo pipefail
usage="usage: $0 [--every T] [--] COMMAND [ARGUMENT...]

Runs COMMAND with results/heartbeat.json, HEARTBEAT.txt and keepalive.log beside it
(in \$ORCHESTRATOR_RESULTS, where that is set). T is how often to beat, as 30s."
case ${1:-} in -h | --help) echo "$usage"; exit 0 ;; esac
# shellcheck source=scripts/find_orchestrator.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/find_orchestrator.sh"
options=()
if [[ ${1:-} == --every && $# -ge 2 ]]; then options=("$1" "$2") && shift 2; fi
if [[ ${1:-} == -- ]]; then shift; fi
if [[ $# -eq 0 || $1 == -* ]]; then echo "$usage" >&2; exit 2; fi
exec "$orchestrator" keepalive ${options[@]+"${options[@]}"} -- "$@"
