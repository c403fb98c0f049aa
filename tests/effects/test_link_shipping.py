"""The agent's zip: the same bytes for the same source, complete, small."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from orchestrator.shipping import agent_file, agent_shipment


def names() -> list[str]:
    return zipfile.ZipFile(io.BytesIO(agent_shipment().content)).namelist()


def test_it_is_small_and_holds_sources_only() -> None:
    assert len(agent_shipment().content) < 1_000_000
    assert all(name.endswith(".py") for name in names())
    assert not [name for name in names() if "/test/" in name]
    assert names() == sorted(names())


def test_the_same_source_gives_the_same_bytes() -> None:
    program = "from orchestrator.shipping import agent_shipment; print(agent_shipment().digest)"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": str(Path.cwd())}
    again = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert again.stdout.strip() == agent_shipment().digest


def test_every_module_of_ours_loads_from_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in names()
        if name.startswith("orchestrator/") and not name.endswith("__main__.py")
    ]
    assert "orchestrator.wire.codec" in modules
    program = f"import sys; sys.path.insert(0, {str(agent_file())!r})\n" + "\n".join(
        f"import {m}" for m in modules
    )
    subprocess.run([sys.executable, "-S", "-E", "-c", program], cwd="/", check=True)


def test_a_damaged_file_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = agent_file()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.write_bytes(b"half")
    assert agent_file().read_bytes() == agent_shipment().content
    assert list(path.parent.iterdir()) == [path]
