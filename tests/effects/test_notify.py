"""Messages through Apprise to a real web server, from a real journal; daemons that crash in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from orchestrator.core import facts as f
from orchestrator.core.events import Event
from orchestrator.core.facts import Fact, LaunchId
from orchestrator.core.gating import Tips
from orchestrator.core.observation import Observation
from orchestrator.core.plan import NotifyPolicy, QuietHours
from orchestrator.core.status import DaemonStatus
from orchestrator.core.wording import Message
from orchestrator.daemon import Daemon
from orchestrator.errors import JournalError, UsageError
from orchestrator.home import find_home
from orchestrator.inbox import Happened
from orchestrator.journal import Journal
from orchestrator.loop import View
from orchestrator.notify.delivery import deliver
from orchestrator.notify.examining import notify_findings
from orchestrator.notify.ledger import ledger_file, read_ledger
from orchestrator.notify.notifier import Notifier, local_minute
from orchestrator.notify.ping import Ping
from orchestrator.notify.services import Service, services, urls_of, without_secrets
from orchestrator.plan_file import load_plan
from orchestrator.settings import StatePaths
from tests.core.plans import plan, workstream
from tests.support.eventually import eventually
from tests.support.heard import Heard, hearing
from tests.support.repository import pin, repository_at

ON = tuple(event.value for event in Event)
HELLO = Message(title="[p] hello", body="there", level="info")
TOKEN = "t0k3n-of-the-chat"


@pytest.fixture
def heard() -> Iterator[Heard]:
    with hearing() as server:
        yield server


class Scene:
    """A journal that grows, the view of its loop, and a clock that goes when it is told to."""

    def __init__(self, folder: Path, *urls: str, quiet: QuietHours | None = None) -> None:
        self.paths = StatePaths(root=folder / "orchestrator")
        self.paths.create()
        self.journal = Journal.open(self.paths.journal)
        self.env: dict[str, str] = {}
        self.now = 1_700_000_000.0
        policy = NotifyPolicy(urls=urls, on=ON, quiet=quiet)
        self.view = View(
            plan=replace(plan(workstream("a")), notify=policy, source=str(folder / "waves.yaml")),
            state=self.journal.state(),
            observation=Observation(),
            tips=Tips(),
            daemon=DaemonStatus(running=True, pid=1),
            last_entry=0,
        )
        self.happens(f.JournalBegun(token="0badcafe"))

    def happens(self, *facts: Fact) -> None:
        entries = self.journal.append(facts, datetime.fromtimestamp(self.now, timezone.utc))
        state = self.view.state
        for fact in facts:
            state = state.after(fact) if isinstance(fact, f.JournalBegun) else state
        self.view = replace(self.view, state=state, last_entry=entries[-1].id)

    def notifier(self) -> Notifier:
        return Notifier(self.paths, lambda: self.view, lambda: self.env, lambda: self.now)

    def turns(self, notifier: Notifier, *pauses_s: float) -> None:
        for pause_s in pauses_s:
            self.now += pause_s
            notifier.turn()


def failed(name: str) -> Fact:
    return f.GaveUp(workstream=name, launch=LaunchId(f"{name}-1"), reason="exit code 2")


def test_what_happened_arrives_once_and_not_again_from_the_next_daemon(tmp_path: Path, heard: Heard) -> None:
    scene = Scene(tmp_path, heard.url())
    scene.happens(failed("before-anybody-listened"))
    notifier = scene.notifier()
    scene.happens(failed("a"), failed("b"))
    scene.turns(notifier, 0.0, 5.0, 5.0)
    assert heard.titles == ["[p] 2 workers failed: a, b"]
    assert heard.posts[0]["type"] == "failure"
    scene.turns(scene.notifier(), 100.0, 4000.0)
    assert len(heard.posts) == 1


def test_what_waits_is_told_by_the_next_daemon(tmp_path: Path, heard: Heard) -> None:
    scene = Scene(tmp_path, heard.url())
    first = scene.notifier()
    scene.happens(f.HostLost(host="gpu", reason="timed out"))
    scene.turns(first, 0.0)
    scene.happens(f.HostBack(host="gpu", boot_id="b"))  # written while nobody looked
    scene.turns(scene.notifier(), 200.0)
    assert heard.titles == ["[p] host gpu was lost"]
    assert "it answers again" in heard.posts[0]["message"]


def test_a_first_answer_of_a_host_is_no_return(tmp_path: Path, heard: Heard) -> None:
    scene = Scene(tmp_path, heard.url())
    notifier = scene.notifier()
    scene.happens(f.HostBack(host="gpu", boot_id="b"))
    scene.turns(notifier, 0.0, 10.0)
    assert heard.posts == []


def test_a_message_that_may_have_arrived_when_the_daemon_died_is_not_sent_again(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    scene = Scene(tmp_path, heard.url())
    notifier = scene.notifier()
    scene.happens(failed("a"))
    monkeypatch.setattr(Notifier, "_handed_over", die)
    with pytest.raises(KeyboardInterrupt):
        scene.turns(notifier, 0.0, 5.0)
    monkeypatch.undo()
    after = scene.notifier()
    assert "not sent again" in after.troubles()[0]
    scene.turns(after, 100.0, 4000.0)
    assert heard.posts == []
    scene.happens(failed("b"))
    scene.turns(after, 0.0, 5.0)
    assert heard.titles == ["[p] b failed"]
    assert after.troubles() == ()


def test_a_service_that_is_down_is_tried_again_and_holds_up_no_other(tmp_path: Path, heard: Heard) -> None:
    heard.status = 500
    with hearing() as healthy:
        scene = Scene(tmp_path, heard.url("json", TOKEN), healthy.url())
        notifier = scene.notifier()
        scene.happens(failed("a"))
        scene.turns(notifier, 0.0, 5.0, 1.0)
        assert len(heard.posts) == len(healthy.posts) == 1
        (trouble,) = notifier.troubles()
        assert trouble.startswith("notify 1 (json): ") and "500" in trouble and TOKEN not in trouble
        (finding, fine) = notify_findings(scene.view.plan, scene.paths, {})
        assert (finding.severity, fine.severity) == ("warning", "ok")
        assert "orchestrator notify test" in finding.mend and TOKEN not in finding.message
        heard.status = 200
        # The next daemon knows that it was not taken, and tries again when it is due.
        scene.turns(scene.notifier(), 1.0, 10.0, 1000.0)
        assert (len(heard.posts), len(healthy.posts)) == (2, 1)
        ledger = read_ledger(ledger_file(scene.paths.root))
        assert ledger is not None and (ledger.letters, ledger.failures) == ((), {})


def test_quiet_hours_hold_everything_back(tmp_path: Path, heard: Heard) -> None:
    minute = local_minute(1_700_000_000.0)
    quiet = QuietHours(begins=minute, ends=(minute + 60) % 1440)
    scene = Scene(tmp_path, heard.url(), quiet=quiet)
    notifier = scene.notifier()
    scene.happens(failed("a"))
    scene.turns(notifier, 0.0, 60.0, 600.0)
    assert heard.posts == [] and list(notifier.ledger.box.waiting) == [(Event.FAILED, "a")]
    scene.view = replace(scene.view, plan=replace(scene.view.plan, notify=NotifyPolicy(on=ON)))
    scene.turns(notifier, 0.0)  # nobody is told, and nothing waits any more
    assert notifier.ledger.box.waiting == {}


def test_without_room_for_the_ledger_people_are_told_all_the_same(tmp_path: Path, heard: Heard) -> None:
    scene = Scene(tmp_path, heard.url())
    notifier = scene.notifier()
    ledger_file(scene.paths.root).mkdir()  # nothing can be written there
    scene.happens(failed("a"))
    scene.turns(notifier, 0.0, 5.0, 5.0)
    assert heard.titles == ["[p] a failed"]
    assert notifier.troubles() == ("notify.json cannot be written",)


def test_the_journal_of_another_day_tells_nothing(tmp_path: Path, heard: Heard) -> None:
    scene = Scene(tmp_path, heard.url())
    notifier = scene.notifier()
    scene.happens(failed("a"))
    scene.turns(notifier, 0.0)
    scene.happens(f.JournalBegun(token="1234abcd"))
    assert scene.notifier().ledger.box.waiting == {}


def test_a_service_that_hangs_is_given_up_at_its_deadline(tmp_path: Path, heard: Heard) -> None:
    heard.open.clear()
    (service,) = services([heard.url("json", "?rto=60&cto=60")])
    assert deliver(service, HELLO, env={}, folder=tmp_path, deadline_s=1.0) == "no answer within 1 s"


def test_secrets_come_from_variables_and_files_and_are_in_no_reason(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "urls").write_text(f"# mine\n{heard.url('json', 'one')}\n\n{heard.url('json', 'two')}\n")
    env = {"URL": heard.url("json", "three"), "TOKEN": TOKEN}
    specs = ["file:urls", "env:URL", heard.url("json", "${TOKEN}")]
    found = [url for spec in specs for url in urls_of(spec, env, tmp_path)]
    assert [url.rpartition("/")[2] for url in found] == ["one", "two", "three", TOKEN]
    labels = [service.label for service in services(specs)]
    assert labels == ["1 (file:urls)", "2 (env:URL)", "3 (json)"]
    assert TOKEN not in repr(services([f"tgram://{TOKEN}/1"])) + services([f"tgram://{TOKEN}/1"])[0].label
    said = without_secrets(
        f"POST /hook/{TOKEN} of ada%40x:pa%24%24word failed", [f"json://ada:pa%24%24word@h/{TOKEN}"]
    )
    assert TOKEN not in said and "word" not in said


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("env:NOPE", "the variable NOPE is not set"),
        ("json://h/${NOPE}", "the variable NOPE is not set"),
        ("file:nowhere", "nowhere cannot be read: No such file"),
        ("file:empty", "empty holds no URL"),
        ("file:binary", "binary cannot be read: it is no text"),
    ],
)
def test_addresses_that_cannot_be_found(tmp_path: Path, spec: str, said: str) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=said):
        urls_of(spec, {}, tmp_path)


def test_what_apprise_does_not_know_is_said_without_the_address(tmp_path: Path) -> None:
    (service,) = services([f"nosuchthing://{TOKEN}"])
    said = deliver(service, HELLO, env={}, folder=tmp_path)
    assert "Apprise knows no service" in said and TOKEN not in said


def test_reasons_of_apprise_go_through_the_same_sieve(tmp_path: Path) -> None:
    (service,) = services(["json://127.0.0.1:1/x"])  # Apprise names the host, which may be a token
    assert deliver(service, HELLO, env={}, folder=tmp_path).endswith("to ***.")


def pinging(heard: Heard, folder: Path, turned_s_ago: float) -> Ping:
    policy = NotifyPolicy(ping="env:HC", ping_every_s=0.05)
    env = {"HC": heard.url("http", "uuid?rid=1")}
    return Ping(policy, folder, lambda: env, lambda: turned_s_ago)


def test_the_ping_says_start_then_goes_on_and_says_fail(tmp_path: Path, heard: Heard) -> None:
    ping = pinging(heard, tmp_path, 0.5)
    ping.start()
    eventually(lambda: len(heard.gets) > 2, message="pings")
    ping.close(failed=True)
    assert heard.gets[:3] == ["/uuid/start?rid=1", "/uuid?rid=1", "/uuid?rid=1"]
    assert "/uuid/fail?rid=1" in heard.gets
    assert ping.trouble == ""


def test_a_loop_that_hangs_is_not_pinged_for(tmp_path: Path, heard: Heard) -> None:
    ping = pinging(heard, tmp_path, 31.0)
    ping.start()
    eventually(lambda: "does not turn" in ping.trouble, message="the trouble")
    ping.close(failed=False)
    assert heard.gets == ["/uuid/start?rid=1"]


@pytest.mark.parametrize(("url", "said"), [("http://127.0.0.1:1/u", "refused"), ("ftp://h/u", "no http")])
def test_a_ping_that_fails_is_a_trouble_and_no_more(tmp_path: Path, url: str, said: str) -> None:
    ping = Ping(NotifyPolicy(ping=url, ping_every_s=0.05), tmp_path, dict, lambda: 0.0)
    ping.start()
    eventually(lambda: said in ping.trouble, message="the trouble")
    ping.close(failed=True)
    assert json.dumps(ping.trouble).isascii()


def test_services_without_their_letters_leave_the_ledger(tmp_path: Path, heard: Heard) -> None:
    heard.status = 500
    scene = Scene(tmp_path, heard.url())
    notifier = scene.notifier()
    scene.happens(failed("a"))
    scene.turns(notifier, 0.0, 5.0)
    assert notifier.ledger.letters and notifier.ledger.failures
    policy = replace(scene.view.plan.notify, urls=(heard.url("json", "another"),))
    scene.view = replace(scene.view, plan=replace(scene.view.plan, notify=policy))
    scene.turns(notifier, 1.0)
    assert (notifier.ledger.letters, notifier.ledger.failures) == ((), {})


def test_a_label_says_no_more_than_the_scheme() -> None:
    assert [s.label for s in services([f"slack://{TOKEN}", f"${{{'X'}}}"])] == ["1 (slack)", "2 (url)"]
    assert "spec" not in repr(Service(id="1", label="1", spec=TOKEN))


@pytest.mark.timeout(40)
def test_a_daemon_that_ends_by_an_error_says_fail(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin(monkeypatch, tmp_path)
    with repository_at(tmp_path / "r") as repository:
        text = f"version: 1\nproject: p\nnotify: {{ping: '{heard.url('http', 'uuid')}'}}\n"
        (repository.path / "waves.yaml").write_text(text + "waves: {1: {workstreams: {a: {branch: w/a}}}}\n")
        home = find_home(repository.path)
        home.state.create()
        journal = Journal.open(home.state.journal)
        daemon = Daemon(load_plan(repository.path / "waves.yaml"), home, journal)
        journal._connection.execute("DROP TABLE facts")
        daemon.put(Happened(facts=(f.LandingRefused(wave=1, reasons=("red",)),)))
        with pytest.raises(JournalError, match="no such table"):
            daemon.run()
    assert "/uuid/fail" in heard.gets
