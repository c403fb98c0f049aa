"""`python -m benchmarks.counting PLAN FILE`: the real daemon, which writes down each call to an agent."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestrator.daemon import serve
from orchestrator.link import Link


def main(plan: str, record: str) -> None:
    call, writing = Link.call, threading.Lock()

    def counted(link: Link, request: object, **options: Any) -> Any:
        line = {"host": link.name, "request": type(request).__name__, "at": time.time()}
        with writing, Path(record).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return call(link, request, **options)

    with patch.object(Link, "call", counted):
        serve(Path(plan))


if __name__ == "__main__":
    main(*sys.argv[1:])
