"""`python -m workers.train`: trains one model, from the last checkpoint if there is one."""

import argparse
import sys
from pathlib import Path

from workers.cli import StopRequest, UsageError, default_results, made_folder, run_command
from workers.config import TrainConfig
from workers.config_file import load_config


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    return run_command("workers.train", lambda: _train(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML, see workers/configs")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override a config value")
    parser.add_argument("--epochs", type=int, help="stop after so many of the config's epochs")
    parser.add_argument("--resume", default="auto", metavar="auto|PATH|never", help="default: auto")
    parser.add_argument(
        "--results", type=Path, default=default_results(), help="default: $ORCHESTRATOR_RESULTS, else results"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, …; default: cuda if there is one")
    parser.add_argument("--seed", type=int, help="overrides run.seed")
    return parser


def _train(arguments: argparse.Namespace) -> None:
    stop = StopRequest().listen()
    seed = [] if arguments.seed is None else [f"run.seed={arguments.seed}"]
    config = load_config(TrainConfig, arguments.config, [*arguments.set, *seed])
    target = target_epochs(arguments.epochs, config)
    # Imported late: torch takes longer to load than a bad config should take to report.
    from workers.runtime.session import train

    train(config, made_folder(arguments.results), target, arguments.resume, arguments.device, stop)


def target_epochs(requested: int | None, config: TrainConfig) -> int:
    total = config.optim.epochs
    if requested is None:
        return total
    if not 1 <= requested <= total:
        raise UsageError(
            f"--epochs {requested} is outside 1..{total}; the schedule's length is --set optim.epochs=N"
        )
    return requested


if __name__ == "__main__":
    sys.exit(main())
