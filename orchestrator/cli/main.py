"""Runs one command: its errors become lines on stderr and an exit status."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Sequence
from typing import Any

from orchestrator.cli.failures import report_bug, tell_error, tell_failure, tell_os_error
from orchestrator.cli.printing import OutputClosed, prepare_streams
from orchestrator.errors import ExitStatus, OrchestratorError


def run(arguments: Sequence[str]) -> int:
    """The command's exit status; never raises."""
    prepare_streams()
    status = _run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
    return status


def leave(status: int) -> int:
    """The status to end with. Where Ctrl-C left threads behind, the process ends here."""
    if status == ExitStatus.INTERRUPTED and threading.active_count() > 1:
        # A thread may wait for a lock or a host; the user does not.
        sys.stderr.flush()
        os._exit(status)
    return status


def _run(arguments: Sequence[str]) -> int:
    try:
        return _invoke(arguments)
    except OutputClosed:
        _abandon_stdout()
        return ExitStatus.DONE
    except SystemExit as end:
        return _ended_by_typer(end)
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except OrchestratorError as error:
        tell_error(error)
        if error.exit_status == ExitStatus.BUG:
            report_bug(error, arguments)
        return error.exit_status
    except OSError as error:
        tell_os_error(error)
        return ExitStatus.OUTSIDE
    except Exception as error:  # noqa: BLE001 - a bug of ours must reach the user as a report, not a traceback
        return report_bug(error, arguments)


def _invoke(arguments: Sequence[str]) -> int:
    from typer.main import get_command

    from orchestrator.cli.app import app_for

    command = get_command(app_for(arguments[0] if arguments else ""))
    try:
        answer = command.main(list(arguments), prog_name="orchestrator", standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _tell_usage(error)
    return answer if isinstance(answer, int) else ExitStatus.DONE


def _tell_usage(error: Any) -> int:
    """Say what Typer found wrong; the classes of its errors are private to it."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" or context is None:
        error.show()
    else:
        tell_failure(error.format_message(), f"{context.command_path} --help")
    return ExitStatus.USAGE


def _ended_by_typer(end: SystemExit) -> int:
    """Typer itself ends the process where something is a broken pipe: its help's reader, or one of ours."""
    if not isinstance(end.__context__, BrokenPipeError):
        return end.code if isinstance(end.code, int) else ExitStatus.USAGE
    if _has_reader(sys.stdout.fileno()):
        tell_os_error(end.__context__)
        return ExitStatus.OUTSIDE
    _abandon_stdout()
    return ExitStatus.DONE


def _has_reader(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return not any(event & select.POLLERR for _, event in poll.poll(0))


def _abandon_stdout() -> None:
    """Without this the interpreter would complain of the broken pipe while it exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
