#!/usr/bin/env bash
# A line for each branch: state, epoch, accuracy, loss, mean absolute error, and when it will be done.
set -euo pipefail
usage="usage: $0 [--watch [SECONDS]] [--plan FILE] [NAME...]

Shows what \`orchestrator status --json\` says of the workstreams NAME, or of all; with --watch again every
SECONDS (10), until Ctrl-C."
case ${1:-} in -h | --help) echo "$usage"; exit 0 ;; esac
# shellcheck source=scripts/find_orchestrator.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/find_orchestrator.sh"
every=
if [[ ${1:-} == --watch ]]; then
    every=10 && shift
    if [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; then every=$1 && shift; fi
fi
show() {
    local document
    document=$("$orchestrator" status --json "$@") || return
    python3 -c '
import json, re, sys

def metric(metrics, *words):
    named = {name: set(re.split(r"[^a-z0-9]+", name.lower())) for name in metrics}
    found = [name for word in words for name, own in named.items() if word in own or name.lower() == word]
    return "%.4g" % metrics[found[0]] if found else "-"

def duration(seconds):
    if seconds is None:
        return "-"
    minutes, hours = round(seconds) // 60, round(seconds) // 3600
    return "%dh%02dm" % (hours, minutes % 60) if hours else "%dm%02ds" % (minutes, round(seconds) % 60)

def row(stream):
    progress, metrics = stream["progress"] or {}, stream["metrics"]
    step, total = progress.get("step"), progress.get("total")
    epoch = "-" if step is None else "%g" % step + ("/%g" % total if total else "")
    words = (("classification_acc", "accuracy", "acc"), ("total_loss", "loss"), ("mae",))
    return [stream["branch"], stream["state"], epoch, *(metric(metrics, *w) for w in words),
            duration(progress.get("eta_s"))]

rows = [["BRANCH", "STATE", "EPOCH", "ACCURACY", "LOSS", "MAE", "ETA"]]
rows += map(row, json.load(sys.stdin)["workstreams"])
widths = [max(map(len, column)) for column in zip(*rows)]
for line in rows:
    print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
' <<<"$document"
}
if [[ -z $every ]]; then show "$@"; exit; fi
while true; do
    date '+%F %T'
    show "$@" || echo "status $?; again in $every s" >&2
    sleep "$every"
done
