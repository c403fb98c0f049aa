"""Doubles of other people's services, made for tests, in code that is no test."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.source.facts import Sign
from orchestrator.source.index import Index
from orchestrator.source.listing import SourceFile

RULE = "redflags/test-double"

_DOUBLES = re.compile(
    r"^(unittest\.mock\.(\w*Mock|create_autospec)|mock\.(\w*Mock|create_autospec)|httpx\.MockTransport"
    r"|responses\.(add|activate|mock|\w+Mock)|requests_mock\.|respx\.|pytest_httpserver\.|vcr\.use"
    r"|langchain\w*\.\S*Fake|llama_index\.\S*Mock)"
)


def judge(index: Index, file: SourceFile) -> Iterator[Sign]:
    facts = index.facts(file)
    for one in facts.imports:
        used = [
            u for u in facts.uses if (u == one.target or u.startswith(f"{one.target}.")) and _DOUBLES.match(u)
        ]
        if used and one.live and one.used:
            yield Sign(
                RULE, one.line, one.name, f"{used[0]} stands in for the real thing in code that is no test"
            )
            return
