"""The agent's zip: the same bytes for the same source, complete, small."""

from __future__ import annotations

import hashlib
import io
import marshal
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.agent.bytecode import Kept
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


def started(archive: Path) -> str:
    """What an agent prints that meets the end of its input at once."""
    command = [sys.executable, "-S", "-E", str(archive)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def rewrite(path: Path, version: bytes | None = None, archive: str | None = None) -> None:
    """Have the kept module `serve` say that it is the one that runs; a right digest."""
    made_by, made_of, codes = marshal.loads(path.read_bytes()[32:])
    said = compile("print('from file')\ndef main(): return 0", "serve", "exec")
    codes["orchestrator.agent.serve"] = marshal.dumps(said)
    body = marshal.dumps((version or made_by, archive or made_of, codes))
    path.write_bytes(hashlib.sha256(body).digest() + body)


def damage(path: Path) -> None:
    rewrite(path)
    path.write_bytes(path.read_bytes().replace(b"from file", b"from fire"))


def open_to_others(path: Path) -> None:
    rewrite(path)
    path.chmod(0o620)


def made_a_link(path: Path) -> None:
    rewrite(path)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def test_what_was_compiled_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    archive = agent_file()
    path = archive.with_suffix(f".{sys.implementation.cache_tag}.code")
    assert started(archive) == ""
    assert path.stat().st_mode & 0o777 == 0o600
    rewrite(path)
    assert started(archive) == "from file\n"
    damage(path)
    assert started(archive) == ""  # from the zip, and kept anew
    sound = path.read_bytes()
    unusable: list[Callable[[Path], None]] = [
        lambda path: path.write_bytes(sound[:-1]) and None,
        open_to_others,
        made_a_link,
        lambda path: rewrite(path, version=b"other"),
        lambda path: rewrite(path, archive="/elsewhere.zip"),
    ]
    for harm in unusable:
        harm(path)
        assert not Kept(str(archive)).codes
        path.unlink()
        path.write_bytes(sound)
        path.chmod(0o600)
        assert Kept(str(archive)).codes


def test_nothing_is_left_where_nothing_can_be_kept(tmp_path: Path) -> None:
    kept = Kept(str(tmp_path / "agent.zip"))
    (kept.path / "in the way").mkdir(parents=True)
    kept.code("pass", lambda: compile("pass", "none", "exec"))
    kept.save()
    assert list(tmp_path.iterdir()) == [kept.path]
