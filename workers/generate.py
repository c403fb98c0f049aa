"""`python -m workers.generate`: writes a dataset of trajectory videos."""

import argparse
import sys
import time
from pathlib import Path

from workers.cli import StopRequest, made_folder, run_command
from workers.config import GenerateConfig
from workers.config_file import load_config
from workers.data.generate import generate


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    return run_command("workers.generate", lambda: _generate(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.generate", description=__doc__)
    parser.add_argument("--num-samples", type=int, help="how many videos")
    parser.add_argument("--seed", type=int, help="every video is a function of this seed and its number")
    parser.add_argument(
        "--output", type=Path, required=True, help="directory; an unfinished one is completed"
    )
    parser.add_argument("--workers", type=_process_count, default=4, help="processes (default 4)")
    parser.add_argument("--config", type=Path, help="YAML with the rest: shard_size, scene")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override a config value")
    return parser


def _process_count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count


def _generate(arguments: argparse.Namespace) -> None:
    given = {"num_samples": arguments.num_samples, "seed": arguments.seed}
    overrides = [*arguments.set, *(f"{key}={value}" for key, value in given.items() if value is not None)]
    config = load_config(GenerateConfig, arguments.config, overrides)
    started = time.monotonic()
    dataset_hash = generate(made_folder(arguments.output), config, arguments.workers, StopRequest().listen())
    seconds = time.monotonic() - started
    print(
        f"{config.num_samples} samples in {arguments.output} ({seconds:.1f} s), dataset hash {dataset_hash}"
    )


if __name__ == "__main__":
    sys.exit(main())
