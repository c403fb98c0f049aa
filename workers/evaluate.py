"""`python -m workers.evaluate`: measures a checkpoint on the validation clips."""

import argparse
import sys
from pathlib import Path

from workers.cli import default_results, run_command
from workers.config import TrainConfig
from workers.config_file import load_config


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    return run_command("workers.evaluate", lambda: _evaluate(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.evaluate", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the YAML it was trained with")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override a config value")
    parser.add_argument(
        "--checkpoint", default="auto", metavar="auto|PATH", help="default: the newest in --results"
    )
    parser.add_argument(
        "--results", type=Path, default=default_results(), help="default: $ORCHESTRATOR_RESULTS, else results"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, …; default: cuda if there is one")
    parser.add_argument("--seed", type=int, help="overrides run.seed")
    return parser


def _evaluate(arguments: argparse.Namespace) -> None:
    seed = [] if arguments.seed is None else [f"run.seed={arguments.seed}"]
    config = load_config(TrainConfig, arguments.config, [*arguments.set, *seed])
    # Imported late: torch takes longer to load than a bad config should take to report.
    from workers.evaluation.session import evaluate_checkpoint

    print(evaluate_checkpoint(config, arguments.results, arguments.checkpoint, arguments.device), end="")


if __name__ == "__main__":
    sys.exit(main())
