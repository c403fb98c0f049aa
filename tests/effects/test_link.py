"""A link to agents that behave, dawdle, babble and die: real processes, run by a script."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator import wire
from orchestrator.core.plan import LOCAL, Host
from orchestrator.errors import CommandFailed, HostUnreachable, OrchestratorError, Refused
from orchestrator.link import AgentBug, Link, PipeStreams, open_link
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]
# An agent's frame of mind: `next_request()`, `answer(ident, kind, message)`, then the script's own lines.
PREAMBLE = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from orchestrator import wire
def next_request():
    asked = wire.read_frame(sys.stdin.buffer.read)
    return asked["id"], wire.decode(asked["request"])
def answer(ident, kind, message):
    sys.stdout.buffer.write(wire.frame({{"id": ident, kind: wire.encode(message)}}))
    sys.stdout.buffer.flush()
def facts(protocol=wire.PROTOCOL_VERSION):
    return wire.HostFacts(protocol=protocol, pid=os.getpid(), python="3", boot_id="b", user="u", home="/",
                          git=None, tmux=None)
def greet():
    ident, _ = next_request()
    answer(ident, "reply", facts())
"""


@pytest.fixture
def scripted() -> Callable[[str], Link]:
    """A link to an agent that greets, then does what the script says."""

    def start(script: str, greeting: str = "greet()") -> Link:
        return Link("gpu", streams(f"{PREAMBLE}\n{greeting}\n{script}"), deadline_s=10)

    return start


def streams(program: str) -> PipeStreams:
    return PipeStreams([sys.executable, "-c", program])


def ask(link: Link, folder: str = "/", deadline_s: float = 10) -> object:
    return link.call(wire.Inspect(folder=folder), deadline_s=deadline_s)


def test_the_greeting_tells_the_hosts_facts(scripted: Callable[[str], Link]) -> None:
    with scripted("sys.stdin.read()") as link:
        assert link.facts.boot_id == "b"
        assert link.alive
    assert not link.alive


def test_answers_find_their_callers_in_any_order(scripted: Callable[[str], Link]) -> None:
    script = """
both = [next_request() for _ in range(2)]
for ident, asked in reversed(both):
    answer(ident, "reply", wire.Tips(commits={"folder": asked.folder}))
sys.stdin.read()
"""
    with scripted(script) as link, ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda folder: ask(link, folder), ["/a", "/b"])
    assert (first, second) == (wire.Tips(commits={"folder": "/a"}), wire.Tips(commits={"folder": "/b"}))


def test_items_come_before_the_reply_in_the_callers_thread(scripted: Callable[[str], Link]) -> None:
    script = """
ident, _ = next_request()
for n in range(3):
    answer(ident, "item", wire.Stopped(launch=str(n), exit=None))
answer(ident, "reply", wire.Finished())
sys.stdin.read()
"""
    seen: list[tuple[str, threading.Thread]] = []
    with scripted(script) as link:
        request = wire.Inspect(folder="/")
        done = link.call(
            request,
            deadline_s=10,
            on_item=lambda item: seen.append((item.launch, threading.current_thread())),
        )
    assert done == wire.Finished()
    assert seen == [(str(n), threading.current_thread()) for n in range(3)]


@pytest.mark.parametrize(
    ("kind", "error"), [("refused", Refused), ("failed", CommandFailed), ("bug", AgentBug), ("?", AgentBug)]
)
def test_failures_become_our_errors(
    scripted: Callable[[str], Link], kind: str, error: type[OrchestratorError]
) -> None:
    script = f"""
ident, _ = next_request()
answer(ident, "error", wire.Failure(kind={kind!r}, message="no room", hint="make some"))
ident, _ = next_request()
answer(ident, "reply", wire.Finished())
sys.stdin.read()
"""
    with scripted(script) as link:
        with pytest.raises(error, match="no room") as caught:
            ask(link)
        assert caught.value.hint == "make some"
        assert ask(link) == wire.Finished()


def test_a_missed_deadline_ends_the_link_and_every_call_on_it(scripted: Callable[[str], Link]) -> None:
    with scripted("sys.stdin.read()") as link, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, link)
        started = time.monotonic()
        with pytest.raises(HostUnreachable, match=r"gpu did not answer Inspect within 0\.2 s"):
            ask(link, deadline_s=0.2)
        with pytest.raises(HostUnreachable, match="did not answer Inspect"):
            waiting.result(timeout=5)
        assert time.monotonic() - started < 3
        assert not link.alive
        with pytest.raises(HostUnreachable):
            ask(link)


def test_a_late_item_does_not_extend_the_deadline(scripted: Callable[[str], Link]) -> None:
    script = """
ident, _ = next_request()
while True:
    answer(ident, "item", wire.Finished())
    time.sleep(0.01)
"""
    with scripted(script) as link, pytest.raises(HostUnreachable, match=r"within 0\.3 s"):
        ask(link, deadline_s=0.3)


def test_an_agent_that_reads_nothing_costs_no_more_than_the_deadline(scripted: Callable[[str], Link]) -> None:
    with scripted("time.sleep(60)") as link:
        started = time.monotonic()
        with pytest.raises(HostUnreachable, match="did not answer"):
            ask(link, folder="x" * 8_000_000, deadline_s=0.5)
        assert time.monotonic() - started < 3


def test_a_stopped_agent_is_killed(scripted: Callable[[str], Link]) -> None:
    link = scripted("os.kill(os.getpid(), 19)")
    with pytest.raises(HostUnreachable):
        ask(link, deadline_s=0.2)
    assert not Path(f"/proc/{link.facts.pid}").exists()


def test_an_agent_that_dies_tells_its_last_words(scripted: Callable[[str], Link]) -> None:
    script = """
next_request()
print("x" * 10_000, file=sys.stderr)
raise SystemExit("out of memory")
"""
    with scripted(script) as link, pytest.raises(HostUnreachable, match="lost the agent on gpu") as caught:
        ask(link)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("out of memory")
    assert len(caught.value.hint) < 5000


def test_a_talkative_agent_is_drained(scripted: Callable[[str], Link]) -> None:
    script = """
ident, _ = next_request()
sys.stderr.write("noise" * 200_000)
answer(ident, "reply", wire.Finished())
sys.stdin.read()
"""
    with scripted(script) as link:
        assert ask(link) == wire.Finished()


@pytest.mark.parametrize(
    "babble", ["'hello there, friend'", "'\\0orc\\0\\0\\0\\2[]'", "'\\0orc\\0\\0\\0\\1{'"]
)
def test_babble_is_said_to_be_babble(scripted: Callable[[str], Link], babble: str) -> None:
    script = f"print({babble}, flush=True); sys.stdin.read()"
    with scripted(script) as link, pytest.raises(HostUnreachable, match="does not speak our protocol"):
        ask(link)


def test_another_protocol_is_refused(scripted: Callable[..., Link]) -> None:
    greeting = "answer(next_request()[0], 'reply', facts(protocol=99)); sys.stdin.read()"
    with pytest.raises(AgentBug, match="speaks protocol 99"):
        scripted("", greeting)


def test_an_answer_to_nobody_is_dropped(scripted: Callable[[str], Link]) -> None:
    script = """
ident, _ = next_request()
answer(999, "reply", wire.Finished())
answer(ident, "reply", wire.Tips(commits={}))
sys.stdin.read()
"""
    with scripted(script) as link:
        assert ask(link) == wire.Tips(commits={})


def test_nothing_is_left_behind(scripted: Callable[[str], Link]) -> None:
    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    scripted("sys.stdin.read()").close()
    threads, descriptors = threading.active_count(), open_descriptors()
    for _ in range(3):
        scripted("sys.stdin.read()").close()
    eventually(lambda: threading.active_count() <= threads, message="threads end")
    eventually(lambda: open_descriptors() <= descriptors, message="descriptors are closed")


def test_the_local_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("TMUX", "/tmp/other,1,0")
    with open_link(Host(name=LOCAL), deadline_s=20) as link:
        assert link.facts.protocol == wire.PROTOCOL_VERSION
        assert os.getsid(link.facts.pid) != os.getsid(0)
        environment = Path(f"/proc/{link.facts.pid}/environ").read_bytes().split(b"\0")
    assert not [entry for entry in environment if entry.startswith((b"GIT_DIR=", b"TMUX="))]
    eventually(lambda: not Path(f"/proc/{link.facts.pid}").exists(), message="the agent ends")
