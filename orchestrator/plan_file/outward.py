"""What the plan says about telling others: `notify` and `metrics`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from orchestrator.core.events import USUAL_EVENTS
from orchestrator.core.plan import MetricsPolicy, NotifyPolicy, QuietHours
from orchestrator.plan_file.document import MetricsSection, NotifySection
from orchestrator.plan_file.problems import Problem, quoted
from orchestrator.plan_file.tree import Source, Unquoted, mapping
from orchestrator.plan_file.values import read_listen


def notify_policy(section: NotifySection) -> NotifyPolicy:
    usual = [event.value for event in USUAL_EVENTS]
    return NotifyPolicy(
        urls=tuple(dict.fromkeys(section.urls or ())),
        on=tuple(usual if section.on is None else section.on),
        digest_s=section.digest or 0.0,
        quiet=QuietHours(begins=section.quiet[0], ends=section.quiet[1]) if section.quiet else None,
        ping=section.ping,
        ping_every_s=section.every or NotifyPolicy().ping_every_s,
    )


def metrics_policy(section: MetricsSection) -> MetricsPolicy:
    host, port = section.listen
    return MetricsPolicy(host=host, port=port)


def outward_problems(source: Source) -> Iterator[Problem]:
    """Figures tell branch and host names: others are let in by a word of their own only."""
    section = mapping(source.root.get("metrics"))
    listen, public = section.get("listen"), section.get("public")
    try:
        host, _ = read_listen(listen)
    except ValueError:
        return
    allowed = isinstance(public, Unquoted) and public.value is True
    if not allowed and not _is_loopback(host):
        message = (
            f"{quoted(host)} can be reached from other machines; listen on 127.0.0.1, or add 'public: true'"
        )
        yield source.problem(("metrics", "listen"), message)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
