#!/bin/sh
# worker.sh FOLDER STEPS [SECONDS]: advances STEPS times, then leaves metrics. In FOLDER it says what it
# does; a lock that it holds for its life shows a second one of the same workstream.
folder=$1 steps=$2 pause=${3:-0.2}
name=$ORCHESTRATOR_WORKSTREAM run="$ORCHESTRATOR_STAGE $ORCHESTRATOR_ATTEMPT"
exec 9>>"$folder/$name.lock"
flock -n 9 || echo "$run" >>"$folder/$name.doubles"
echo "start $run" >>"$folder/$name.runs"
trap 'echo "asked $run" >>"$folder/$name.runs"; exit 143' TERM
n=0 before=$((ORCHESTRATOR_ATTEMPT * 1000000)) # no attempt dies at another one's step
while [ "$n" -lt "$steps" ]; do
    n=$((n + 1))
    printf '{"v": 1, "seq": %d, "step": %d, "attempt": %d}\n' \
        "$n" "$((before + n))" "$ORCHESTRATOR_ATTEMPT" >"$ORCHESTRATOR_RESULTS/.progress.tmp"
    mv "$ORCHESTRATOR_RESULTS/.progress.tmp" "$ORCHESTRATOR_RESULTS/progress.json" 9>&-
    [ ! -e "$folder/over" ] || break
    sleep "$pause" 9>&-
done
for file in validation_metrics final_metrics; do
    printf '{"steps": %d}\n' "$n" >"$ORCHESTRATOR_RESULTS/$file.json"
done
echo "end $run" >>"$folder/$name.runs"
