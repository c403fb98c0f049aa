"""`python -m workers.pretrain`: lets the video transformer fill in masked tubes, before it sees any label."""

import argparse
import sys
from pathlib import Path

from workers.cli import StopRequest, UsageError, default_results, made_folder, run_command
from workers.config import TrainConfig, TransformerConfig
from workers.config_file import load_config


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    return run_command("workers.pretrain", lambda: _pretrain(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.pretrain", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the YAML of the training that follows")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override a config value")
    parser.add_argument("--epochs", type=int, help="default: the config's")
    parser.add_argument(
        "--resume", choices=("auto", "never"), default="auto", help="from the last whole epoch; default: auto"
    )
    parser.add_argument(
        "--results", type=Path, default=default_results(), help="default: $ORCHESTRATOR_RESULTS, else results"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, …; default: cuda if there is one")
    parser.add_argument("--seed", type=int, help="overrides run.seed")
    return parser


def _pretrain(arguments: argparse.Namespace) -> None:
    stop = StopRequest().listen()
    given = {"run.seed": arguments.seed, "optim.epochs": arguments.epochs}
    overrides = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = load_config(TrainConfig, arguments.config, [*arguments.set, *overrides])
    if not isinstance(config.model.extractor, TransformerConfig):
        raise UsageError(
            f"only the transformer is pre-trained, not {config.model.extractor.name}: "
            "use workers/configs/transformer.yaml"
        )
    # Imported late: torch takes longer to load than a bad config should take to report.
    from workers.runtime.pretraining import pretrain

    results = made_folder(arguments.results)
    path = pretrain(config, results, resume=arguments.resume == "auto", device=arguments.device, stop=stop)
    print(f"wrote {path}; train from it with --set model.extractor.weights={path}")


if __name__ == "__main__":
    sys.exit(main())
