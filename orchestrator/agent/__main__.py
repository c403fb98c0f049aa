from __future__ import annotations

import sys

from orchestrator.agent.serve import main

if __name__ == "__main__":
    sys.exit(main())
