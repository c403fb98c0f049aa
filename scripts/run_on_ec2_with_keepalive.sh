#!/usr/bin/env bash
# Any long command on a host of the plan. It outlives the link; its output comes here, and its status.
set -euo pipefail
usage="usage: $0 HOST [--name NAME] [--in DIR] [--every T] [--plan FILE] [--] COMMAND [ARGUMENT...]

Runs COMMAND on HOST, a host of waves.yaml, in its home or in DIR. When the link breaks, or this terminal
closes, it goes on there; the same line typed again follows it again. Ctrl-C ends it there."
case ${1:-} in -h | --help) echo "$usage"; exit 0 ;; esac
# shellcheck source=scripts/find_orchestrator.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/find_orchestrator.sh"
if [[ $# -lt 2 || $1 == -* ]]; then echo "$usage" >&2; exit 2; fi
options=(--on "$1") && shift
while [[ $# -ge 2 && $1 =~ ^--(name|in|every|plan)$ ]]; do options+=("$1" "$2") && shift 2; done
if [[ ${1:-} == -- ]]; then shift; fi
if [[ $# -eq 0 || $1 == -* ]]; then echo "$usage" >&2; exit 2; fi
exec "$orchestrator" keepalive "${options[@]}" -- "$@"
