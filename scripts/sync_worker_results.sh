#!/usr/bin/env bash
# The results of the workers, pulled here now; or every so often, where no daemon does it.
set -euo pipefail
usage="usage: $0 [--every SECONDS] [--check] [--json] [--plan FILE] [NAME...]

Pulls the results of the workstreams NAME, or of all, into synced/NAME beside the plan. With --check both
ends are compared and nothing is pulled. With --every it goes on until Ctrl-C, failures or not."
case ${1:-} in -h | --help) echo "$usage"; exit 0 ;; esac
# shellcheck source=scripts/find_orchestrator.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/find_orchestrator.sh"
if [[ ${1:-} != --every ]]; then exec "$orchestrator" sync "$@"; fi
if [[ ! ${2:-} =~ ^[1-9][0-9]*$ ]]; then echo "$usage" >&2; exit 2; fi
every=$2 && shift 2
while true; do
    "$orchestrator" sync "$@" || echo "status $?; again in $every s" >&2
    sleep "$every"
done
