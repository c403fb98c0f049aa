"""The commands, in the order and groups in which the help lists them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli import (
    approve,
    attach,
    clean,
    complete,
    conflicts,
    control,
    doctor,
    drain,
    events,
    execute,
    gate,
    hooks,
    init,
    keepalive,
    logs,
    notify,
    peek,
    plan,
    report,
    rsh,
    send,
    service,
    stacks,
    status,
    sync,
    tdd,
    up,
    verify,
    wait,
    wave,
)
from orchestrator.cli.help import GroupedCommands, PlainCommand

app = typer.Typer(
    name="orchestrator",
    cls=GroupedCommands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: orchestrator init, then orchestrator up.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from orchestrator import __version__
        from orchestrator.cli.printing import tell

        tell(f"orchestrator {__version__}")
        raise typer.Exit


@app.callback()
def _orchestrator(
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="The plan.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Runs parallel branches in worktrees and tmux sessions, and lands them in waves."""


_gates = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The checks: list them, run them.")
_phases = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Evidence of test-driven work: red, green, refactor."
)
_waves = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The waves: see, check, land them.")

_hooks = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Git hooks: checks before commits and pushes."
)

_notify = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Messages to people: try them.")
_service = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="The daemon as a systemd service of yours."
)

PLAN, WORK, SEE, TALK, LAND = "Plan", "Workstreams", "Look", "Talk", "Gates and waves"


def _command(group: str, name: str, function: Any, example: str, **settings: Any) -> None:
    _add(app, name, function, f"orchestrator {example}", rich_help_panel=group, **settings)


def _add(to: typer.Typer, name: str, function: Any, example: str, **settings: Any) -> None:
    to.command(name, cls=PlainCommand, epilog=f"Example: {example}", **settings)(function)


_command(PLAN, "init", init.init, "init")
_command(PLAN, "validate", plan.validate, "validate --plan waves.yaml")
_command(PLAN, "schema", plan.schema, "schema > waves.schema.json")
_command(PLAN, "doctor", doctor.doctor, "doctor gpu")
_command(WORK, "up", up.up, "up i3d slowfast")
_command(WORK, "down", up.down, "down")
_command(WORK, "stop", control.stop, "stop i3d")
_command(WORK, "restart", control.restart, "restart 'train*'")
_command(WORK, "resume", control.resume, "resume i3d")
_command(WORK, "approve", approve.approve, "approve i3d")
_command(WORK, "done", control.done, "done shared")
_command(WORK, "wait", wait.wait, "wait i3d --for done --timeout 2h")
_command(WORK, "drain", drain.drain, "drain gpu --wait")
_command(WORK, "clean", clean.clean, "clean --dry-run")
_command(
    WORK,
    "keepalive",
    keepalive.keepalive,
    "keepalive --every 30s -- make train",
    context_settings={"allow_interspersed_args": False},  # from its first word on, all is the command's
)
_command(SEE, "status", status.status, "status --watch")
_command(SEE, "sync", sync.sync, "sync i3d --check")
_command(SEE, "logs", logs.logs, "logs i3d -f -n 100")
_command(SEE, "peek", peek.peek, "peek -n 3")
_command(SEE, "stacks", stacks.stacks, "stacks i3d")
_command(SEE, "events", events.events, "events --wave 2")
_command(SEE, "report", report.report, "report --wave 1")
_command(TALK, "attach", attach.attach, "attach i3d")
_command(TALK, "send", send.send, "send i3d 'make test'")
_command(TALK, "exec", execute.execute, "exec i3d -- git log --oneline -3")
_command(LAND, "conflicts", conflicts.conflicts, "conflicts i3d slowfast")
_command(LAND, "verify", verify.verify, "verify --report BRANCH_ENFORCEMENT_REPORT.md")
_command(LAND, "complete", complete.complete, "complete i3d")
_add(_gates, "list", gate.list_gates, "orchestrator gate list")
_add(_gates, "run", gate.run, "orchestrator gate run i3d --gate tests")
_add(_waves, "list", wave.list_waves, "orchestrator wave list")
_add(_waves, "show", wave.show, "orchestrator wave show 1")
_add(_waves, "check", wave.check, "orchestrator wave check 1")
_add(_waves, "merge", wave.merge, "orchestrator wave merge 1 --dry-run")
_add(_waves, "rollback", wave.rollback, "orchestrator wave rollback 1 --dry-run")
_add(_waves, "reland", wave.reland, "orchestrator wave reland 1")
_add(_phases, "red", tdd.red, "orchestrator tdd red magvit -- pytest -q tests/test_magvit.py")
_add(_phases, "green", tdd.green, "orchestrator tdd green magvit -- pytest -q tests/test_magvit.py")
_add(_phases, "refactor", tdd.refactor, "orchestrator tdd refactor magvit")
app.add_typer(_phases, name="tdd", rich_help_panel=LAND)
_add(_hooks, "install", hooks.install, "orchestrator hooks install")
_add(_hooks, "uninstall", hooks.uninstall, "orchestrator hooks uninstall")
_add(_hooks, "status", hooks.status, "orchestrator hooks status")
_add(_notify, "test", notify.test, "orchestrator notify test")
_add(_service, "install", service.install, "orchestrator service install")
_add(_service, "uninstall", service.uninstall, "orchestrator service uninstall")
_add(_service, "status", service.status, "orchestrator service status")
app.add_typer(_hooks, name="hooks", rich_help_panel=PLAN)
app.add_typer(_notify, name="notify", rich_help_panel=PLAN)
app.add_typer(_service, name="service", rich_help_panel=PLAN)
app.add_typer(_gates, name="gate", rich_help_panel=LAND)
app.add_typer(_waves, name="wave", rich_help_panel=LAND)
_command(
    TALK,
    "rsh",
    rsh.rsh,
    "rsh gpu uptime",
    hidden=True,
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)


def app_for(first: str) -> typer.Typer:
    """The app with only the command named `first`, the first argument; with all if that is no command.

    Typer makes every command it knows of at each start, which takes longer than most of them.
    """
    commands = [command for command in app.registered_commands if command.name == first]
    groups = [group for group in app.registered_groups if group.name == first]
    if not (commands or groups):
        return app
    narrow = copy.copy(app)
    narrow.registered_commands, narrow.registered_groups = commands, groups
    return narrow
