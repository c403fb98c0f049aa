"""What happened to a wave, in words: who asked, what was seen, what each gate said, which refs moved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.gating import Outcome, verdict_in_words


def concerns(fact: Fact, wave: int, workstreams: Collection[str]) -> bool:
    """Whether a fact belongs to the story of a wave; `workstreams` are its own."""
    number = getattr(fact, "wave", None)
    if number is not None:
        return bool(number == wave)
    named = {getattr(fact, "workstream", None), *getattr(fact, "workstreams", ())}
    return not named.isdisjoint(workstreams)


def wave_of(fact: Fact) -> dict[str, int]:
    """The workstreams whose wave a fact tells."""
    match fact:
        case f.GateFinished(workstream=str(name)):
            return {name: fact.wave}
        case f.WaveProposed() | f.LandingBegun():
            return dict.fromkeys(fact.tips, fact.wave)
        case f.WaveLanded():
            return dict.fromkeys(fact.landed, fact.wave)
    return {}


def in_words(fact: Fact) -> str | None:
    """One line; None for a fact of a kind that has no words here."""
    return _of_daemon(fact) or _of_worker(fact) or _of_landing(fact) or _of_parts(fact) or _of_after(fact)


def _of_daemon(fact: Fact) -> str | None:
    match fact:
        case f.JournalBegun():
            return f"a new journal; its launches end in {fact.token}"
        case f.DaemonStarted():
            return f"the daemon {fact.version} started as process {fact.pid}"
        case f.DaemonStopped():
            return f"the daemon, process {fact.pid}, stopped: {fact.why}"
        case f.PlanRead():
            return f"read {fact.source}, SHA-256 {_short(fact.digest)}"
        case f.JournalArchived():
            return f"moved {fact.entries} old entries of the journal to {fact.file}"
        case f.JournalHeld():
            return f"nothing could be written for {fact.seconds:.0f} s, and nothing was done: {fact.reason}"
        case f.HostPruned():
            return f"removed {fact.files} old files, {fact.bytes} bytes"
        case f.HostLost():
            return f"does not answer: {fact.reason}"
        case f.HostTakenOver():
            return f"taken over from {fact.before}"
        case f.HostBack():
            return f"answers; boot {fact.boot_id}"
        case f.DrainAsked():
            return f"{fact.by} asked to start nothing new on {', '.join(fact.hosts) or 'any host'}"
        case f.DrainLifted():
            where = [*(["the plan"] if fact.everywhere else []), *fact.hosts]
            return f"{fact.by} ended the drain of {', '.join(where)}"
    return None


def _of_worker(fact: Fact) -> str | None:
    match fact:
        case f.StartAsked():
            return f"{fact.by} asked to start it"
        case f.StopAsked():
            return f"{fact.by} asked to stop it"
        case f.RestartAsked():
            return f"{fact.by} asked to restart it"
        case f.DoneAsked():
            return f"{fact.by} said that it is done"
        case f.ReviewApproved():
            return f"{fact.by} reviewed and approved {_short(fact.commit)}"
        case f.HoldAccepted():
            return f"{fact.by} accepted the hold; {_after(fact.next_stage)}"
    return _of_launch(fact)


def _of_launch(fact: Fact) -> str | None:
    match fact:
        case f.LaunchChosen():
            gpus = f" with GPU {', '.join(map(str, fact.gpus))}" if fact.gpus else ""
            return f"stage {fact.stage}, attempt {fact.attempt}, on {fact.host}{gpus}: launch {fact.launch}"
        case f.Launched():
            branch = "new branch" if fact.made_branch else "branch"
            port = f", port {fact.port}" if fact.port is not None else ""
            return f"launched {fact.launch} in {fact.worktree}, {branch} at {_short(fact.tip)}{port}"
        case f.LaunchAdopted():
            what = f"stage {fact.stage}, attempt {fact.attempt}, in {fact.worktree} on {fact.host}"
            return f"took over {fact.launch}, which ran already: {what}"
        case f.LaunchRefused():
            log = f"; log {fact.log}" if fact.log else ""
            return f"not launched ({fact.cause}): {fact.message}{log}"
        case f.LaunchEnded():
            return f"{fact.launch} ended after {fact.elapsed_s:.1f} s: {_ending(fact)}"
        case f.InputAwaited():
            return f"waits for input: {fact.line}"
        case f.InputGiven():
            return "goes on, it waits for input no longer"
    return _of_stage(fact)


def _of_stage(fact: Fact) -> str | None:
    match fact:
        case f.StagePassed():
            return f"{fact.launch} passed{_metrics(fact.metrics)}; {_after(fact.next_stage)}{_judged(fact)}"
        case f.StageHeld():
            return f"{fact.launch} is held: {'; '.join(fact.unmet)}{_judged(fact)}"
        case f.RetryChosen():
            number = f" (restart {fact.restart} of {fact.limit})" if fact.limit else ""
            space = " and once there is space" if fact.needs_disk else ""
            return f"repeats after {fact.delay_s:.0f} s{space}{number}: {fact.reason}"
        case f.GaveUp():
            return f"gave up: {fact.reason}"
    return _of_look(fact)


def _of_look(fact: Fact) -> str | None:
    match fact:
        case f.CheckpointChosen():
            given = f"goes on from {fact.checkpoint}" if fact.checkpoint else "goes on from no checkpoint"
            return "; ".join((given, *(f"rejected {reason}" for reason in fact.rejected)))
        case f.StallSeen():
            stacks = f"its stacks are in {fact.stacks}" if fact.stacks else "no stacks"
            detail = f": {fact.detail}" if fact.detail else ""
            return f"{fact.launch} did not advance for {fact.silent_s:.0f} s; {stacks}{detail}"
        case f.StopChosen():
            return f"{fact.launch} is ended: {fact.reason}"
        case f.StepPoisoned():
            return f"{fact.launch} is held: {fact.reason}"
    return _of_pushes(fact)


def _of_pushes(fact: Fact) -> str | None:
    match fact:
        case f.FitsNowhere():
            return f"fits nowhere: {fact.reason}"
        case f.GpuPeakSeen():
            return f"{fact.launch} held {fact.peak_mb} MiB of a GPU in stage {fact.stage}"
        case f.BranchPushed():
            return f"pushed {_short(fact.commit)} to {fact.remote}"
        case f.PushRefused():
            return f"{fact.remote} refused {_short(fact.commit)}: {fact.reason}"
    return _of_results(fact)


def _of_results(fact: Fact) -> str | None:
    match fact:
        case f.ResultsSynced():
            final = f", all of {fact.launch}" if fact.final and fact.launch else ""
            return f"pulled its results{final}: {fact.files} files, {fact.bytes} bytes in {fact.folder}"
        case f.WorkCommitted():
            large = f"; too large: {' '.join(fact.left_out)}" if fact.left_out else ""
            return f"committed work in progress: {fact.files} files as {_short(fact.commit)}{large}"
        case f.SyncFailed(cause="files"):
            return f"not all results were pulled: {fact.reason}"
        case f.SyncFailed():
            return f"results were not pulled ({fact.cause}): {fact.reason}"
    return None


def _of_landing(fact: Fact) -> str | None:
    match fact:
        case f.LandingAsked():
            return f"{fact.by} asked to land it"
        case f.WaveProposed():
            return "; ".join(_seen(fact))
        case f.LandingBegun():
            return _begins(moves(fact))
        case f.WaveLanded():
            missing = f"; left out: {' '.join(fact.left_out)}" if fact.left_out else ""
            return f"landed {' '.join(fact.landed)}: {_base(fact)}; tag {fact.tag}{missing}"
        case f.LandingRefused():
            return f"not landed: {'; '.join(fact.reasons)}"
        case f.LandingUndone():
            base = f.RefStep(ref=f"refs/heads/{fact.base}", old=fact.candidate, new=fact.base_before)
            return f"undone: {'; '.join(fact.reasons)}; {_move(base)}"
        case f.WavePushed():
            tag = f" and the tag {fact.tag}" if fact.tag else ""
            return f"pushed {_short(fact.commit)}{tag} to {fact.remote}"
        case f.WavePushRefused():
            return f"{fact.remote} did not take {_short(fact.commit)} ({fact.cause}): {fact.reason}"
    return None


def _of_parts(fact: Fact) -> str | None:
    """Gates, and the search for what makes them red."""
    match fact:
        case f.GateFinished():
            return _gate(fact)
        case f.GateRetried():
            log = f"; log {fact.log}" if fact.log else ""
            on = f"{fact.gate} on {_short(fact.commit)}"
            return f"{on}: run {fact.attempt} came to no verdict, once more: {fact.reason}{log}"
        case f.PartTried():
            return _tried(fact)
        case f.WaveIsolated():
            return "; ".join(_isolated(fact))
    return None


def _of_after(fact: Fact) -> str | None:
    """What was foreseen, taken out and taken away."""
    match fact:
        case f.ConflictForeseen():
            return f"{' and '.join(fact.between)} would conflict: {', '.join(fact.files) or 'as a whole'}"
        case f.OverlapForeseen():
            return f"{' and '.join(fact.between)} both touch {', '.join(fact.files)}"
        case f.ForecastCleared():
            return f"{' and '.join(fact.between)}: what was foreseen is gone"
        case f.RollbackAsked():
            return f"{fact.by} asked to roll it back"
        case f.RollbackBegun():
            base = f.RefStep(ref=f"refs/heads/{fact.base}", old=fact.base_before, new=fact.base_after)
            return _begins((*fact.refs, base))
        case f.WaveRolledBack():
            how = "base went back" if fact.form == "reset" else "by a new commit"
            return f"rolled back {' '.join(fact.landed)}, {how}: {_base(fact)}"
        case f.RollbackRefused():
            return f"not rolled back: {'; '.join(fact.reasons)}"
    return _of_cleaning(fact)


def _of_cleaning(fact: Fact) -> str | None:
    match fact:
        case f.CleaningAsked():
            return f"{fact.by} asked to clean {' '.join(fact.workstreams) or 'all that landed'}"
        case f.WorkstreamCleaned():
            return f"cleaned: {'; '.join(_cleaned(fact))}"
        case f.CleaningRefused():
            return f"not cleaned: {'; '.join(fact.reasons)}"
    return None


def moves(begun: f.LandingBegun) -> tuple[f.RefStep, ...]:
    """Every ref that a landing moves, base last; of old journals the tag and base."""
    tag = f.RefStep(ref=f"refs/tags/{begun.tag}", old=None, new=begun.tag_object)
    base = f.RefStep(ref=f"refs/heads/{begun.base}", old=begun.base_before, new=begun.candidate)
    return (*(begun.refs or (tag,)), base)


def _seen(fact: f.WaveProposed) -> Iterator[str]:
    tips = (f"{name} at {_short(tip)}" for name, tip in fact.tips.items())
    yield f"saw {', '.join([f'{fact.base} at {_short(fact.base_before)}', *tips])}"
    if fact.generated:
        yield f"would write {' '.join(fact.generated)}"
    yield from fact.conflicts


def _gate(fact: f.GateFinished) -> str:
    took = "cached" if fact.cached else f"{fact.seconds:.1f} s"
    verdict = f"{fact.gate} on {_short(fact.commit)}: {finished_in_words(fact)} ({took})"
    if _outcome(fact) is Outcome.GREEN:
        return verdict
    why = fact.message.partition("\n")[0]
    return verdict + (f": {why}" if why else "") + (f"; log {fact.log}" if fact.log else "")


def finished_in_words(fact: f.GateFinished) -> str:
    """What a gate came to, also one that may be red."""
    return verdict_in_words(_outcome(fact), fact.ok)


def _outcome(fact: f.GateFinished) -> Outcome:
    return Outcome(fact.outcome) if fact.outcome else Outcome.GREEN if fact.ok else Outcome.RED


def _tried(fact: f.PartTried) -> str:
    gates = f" ({', '.join(fact.red)})" if fact.red else ""
    known = ", known from an equal tree" if fact.reused else ""
    logs = f"; log {' '.join(fact.logs)}" if fact.logs else ""
    who = " ".join(fact.workstreams) or "base alone"
    return (
        f"run {fact.run}, {fact.purpose}: {who} at {_short(fact.commit)}: {fact.outcome}{gates}{known}{logs}"
    )


def _isolated(fact: f.WaveIsolated) -> Iterator[str]:
    yield f"searched for the cause: {fact.verdict}"
    yield from fact.causes
    if fact.proven:
        yield f"green without {' '.join(fact.left_out)}: {' '.join(fact.proven)}"


def _cleaned(fact: f.WorkstreamCleaned) -> Iterator[str]:
    tip = f", was {_short(fact.tip)}" if fact.tip else ""
    yield f"branch {fact.branch} deleted{tip}"
    if fact.worktree:
        yield f"worktree {fact.worktree} removed"
    if fact.kept:
        yield f"{fact.kept_bytes} bytes kept in {fact.kept}"
    if fact.trash:
        yield f"untracked files kept as {fact.trash}"


def _ending(fact: f.LaunchEnded) -> str:
    if fact.signal:
        how = f"killed by {fact.signal}"
    else:
        how = "exit status unknown" if fact.exit_code is None else f"exit status {fact.exit_code}"
    return how if fact.cause == "exited" else f"{how} ({fact.cause})"


def _after(next_stage: int | None) -> str:
    return "that was the last stage" if next_stage is None else f"stage {next_stage + 1} follows"


def _judged(fact: f.StagePassed | f.StageHeld) -> str:
    """The decision's evidence, where it was kept."""
    rules = f"; judged {', '.join(fact.rules)} on {fact.source}" if fact.rules and fact.source else ""
    return rules + (f"; saved {fact.checkpoint}" if fact.checkpoint else "")


def _metrics(metrics: Mapping[str, float]) -> str:
    return f" with {', '.join(f'{key} {value:.6g}' for key, value in metrics.items())}" if metrics else ""


def _begins(steps: Iterable[f.RefStep]) -> str:
    return f"begins to move {'; '.join(_move(step) for step in steps if step.old != step.new)}"


def _base(fact: f.WaveLanded | f.WaveRolledBack) -> str:
    return _move(f.RefStep(ref=f"refs/heads/{fact.base}", old=fact.base_before, new=fact.base_after))


def _move(step: f.RefStep) -> str:
    if step.old is None:
        return f"{step.ref} made at {_short(step.new)}"
    if step.new is None:
        return f"{step.ref} deleted, was {_short(step.old)}"
    return f"{step.ref} {_short(step.old)} → {_short(step.new)}"


def _short(commit: str | None) -> str:
    return (commit or "-")[:12]
