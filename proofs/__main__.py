"""`python -m proofs [--histories N] [--seed S]`: exit status 1 when ours and git's merging differ."""

from __future__ import annotations

import argparse
import sys
import time

from proofs.replay import AT_ONCE, Counts, replay


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    parser.add_argument("--histories", type=int, default=600, help="how many to replay (default: 600)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed (default: 0)")
    arguments = parser.parse_args()
    counts, started = Counts(), time.monotonic()
    last = arguments.seed + arguments.histories
    for start in range(arguments.seed, last, AT_ONCE):
        replay(range(start, min(start + AT_ONCE, last)), counts)
        print(f"\r{counts.line()}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for difference in counts.differences:
        print(difference)
    print(f"{counts.line()}, {time.monotonic() - started:.0f} s")
    return 1 if counts.differences else 0


if __name__ == "__main__":
    sys.exit(main())
