"""`python -m orchestrator.notify.child`: sends one message, in a process that can be killed when it hangs.

Reads `{"urls", "title", "body", "level"}` from its input, so that no list of processes shows a secret;
prints `{"sent": bool, "said": text}`, where the text may hold secrets still.
"""

from __future__ import annotations

import json
import logging
import sys
from io import StringIO


def send(document: dict[str, object]) -> dict[str, object]:
    import apprise

    said = StringIO()
    handler = logging.StreamHandler(said)
    handler.setLevel(logging.WARNING)
    logging.getLogger("apprise").addHandler(handler)
    asset = apprise.AppriseAsset(app_id="orchestrator", app_desc="orchestrator", storage_mode="memory")
    services = apprise.Apprise(asset=asset)
    urls = document["urls"]
    if not isinstance(urls, list) or not all(services.add(url) for url in urls):
        return {"sent": False, "said": "Apprise knows no service of that form; see `apprise --help`"}
    result = services.notify(
        title=str(document["title"]),
        body=str(document["body"]),
        notify_type=str(document["level"]),
        body_format=apprise.NotifyFormat.TEXT,
    )
    return {"sent": bool(result), "said": said.getvalue()}


def main() -> None:
    answer = send(json.loads(sys.stdin.buffer.read()))
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
