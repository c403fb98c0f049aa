"""What a gate on this host depends on without saying so: the system, and the programs it finds first."""

from __future__ import annotations

import os
import platform
import shutil

from orchestrator.agent.host import program_output
from orchestrator.wire import ReadToolchain, Toolchain


def read_toolchain(request: ReadToolchain) -> Toolchain:
    path = os.environ.get("PATH", os.defpath) if request.path is None else request.path
    return Toolchain(
        node=platform.node(),
        system=_system(),
        machine=platform.machine(),
        python=_version("python3", path),
        git=_version("git", path),
    )


def _system() -> str:
    try:
        about = platform.freedesktop_os_release()
    except OSError:  # no Linux, or a very small one
        return f"{platform.system()} {platform.mac_ver()[0]}".strip()
    return f"{platform.system()} {about.get('ID', '')} {about.get('VERSION_ID', '')}".strip()


def _version(name: str, path: str) -> str | None:
    """Where the program is and what it calls itself: two virtual environments are two toolchains."""
    program = shutil.which(name, path=path)
    if program is None:
        return None
    said = program_output(program, "--version") or ""
    return f"{program}: {said.strip()}"
