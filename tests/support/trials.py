"""Gates that run this project's own tools, on branches of a small Python project."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from orchestrator.checks import Finding
from orchestrator.core.plan import Gate, Workstream
from orchestrator.gates import GateVerdict, run_gates
from tests.support.landing import Desk, Scene, gate, workstream

TOOLS = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def stream(name: str, *gates: Gate, plugins: bool = False, **more: Any) -> Workstream:
    """`plugins` of pytest take a second to load, and few gates need them."""
    env = {
        "PATH": TOOLS,
        "PYTEST_XDIST_WORKER": "",
        **({} if plugins else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
    }
    return workstream(name, *gates, env=env, **more)


def check_gate(name: str, **settings: Any) -> Gate:
    return gate(name, settings=settings)


def verdict(scene: Scene, desk: Desk, name: str = "a", **options: Any) -> GateVerdict:
    (found,) = run_gates(desk, {name: scene.tip(f"p/{name}")}, **options)
    return found


def rules(verdict: GateVerdict) -> list[str]:
    return sorted(finding.rule for finding in verdict.findings)


def one(verdict: GateVerdict) -> Finding:
    (found,) = verdict.findings
    return found
