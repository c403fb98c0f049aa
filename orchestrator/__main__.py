"""`python -m orchestrator`, and the `orchestrator` command."""

from __future__ import annotations

import sys


def main() -> int:
    # Ctrl-C while modules load is an interruption like any other.
    try:
        if sys.argv[1:3] == ["hooks", "run"]:
            # Every commit waits for this: nothing else is loaded.
            from orchestrator.cli.hook_run import run_hook

            return run_hook(sys.argv[3:])
        from orchestrator.cli.main import leave, run

        return leave(run(sys.argv[1:]))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
