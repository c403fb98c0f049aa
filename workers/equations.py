"""`python -m workers.equations`: asks a language model for equations of trajectories, and measures it."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli import StopRequest, UsageError, default_results, made_folder, run_command
from workers.config import TrainConfig
from workers.config_file import load_config

if TYPE_CHECKING:
    from workers.language.backends import LanguageModel
    from workers.language.scoring import Subject

OPENAI = "https://api.openai.com/v1"
TINY_SAMPLES, TINY_STEPS = 400, 300


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    return run_command("workers.equations", lambda: _equations(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.equations", description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="the YAML whose validation clips are asked about"
    )
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", help="override a config value")
    parser.add_argument("--backend", choices=("chat", "local", "tiny"), required=True)
    parser.add_argument(
        "--model", required=True, help="its name; for local a directory too; for tiny a directory"
    )
    parser.add_argument("--url", default=OPENAI, help=f"of an OpenAI-compatible API; default: {OPENAI}")
    parser.add_argument(
        "--key-from",
        default="OPENAI_API_KEY",
        metavar="VARIABLE",
        help="the environment variable with the key",
    )
    parser.add_argument("--mode", choices=("direct", "skeleton+fit"), default="direct")
    parser.add_argument("--points", choices=("true", "noisy", "seen", "predicted"), default="noisy")
    parser.add_argument("--tell-class", action="store_true", help="tell the true class as well")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--shown", type=int, default=32, help="points in a prompt")
    parser.add_argument("--max-tokens", type=int, default=600)
    parser.add_argument("--price-input", type=float, default=0.0, metavar="USD", help="a million tokens")
    parser.add_argument("--price-output", type=float, default=0.0, metavar="USD", help="a million tokens")
    parser.add_argument(
        "--results", type=Path, default=default_results(), help="default: $ORCHESTRATOR_RESULTS, else results"
    )
    parser.add_argument("--device", default="auto", help="of a local model")
    parser.add_argument("--seed", type=int, help="overrides run.seed")
    return parser


def _equations(arguments: argparse.Namespace) -> None:
    stop = StopRequest().listen()
    seed = [] if arguments.seed is None else [f"run.seed={arguments.seed}"]
    config = load_config(TrainConfig, arguments.config, [*arguments.set, *seed])
    if min(arguments.samples, arguments.shown, arguments.max_tokens) < 1:
        raise UsageError("--samples, --shown and --max-tokens must be at least 1")
    # Imported late: torch takes longer to load than a bad config should take to report.
    from workers.language.backends import ModelUnavailable
    from workers.language.session import write_not_run

    made_folder(arguments.results)
    try:
        _measure(arguments, config, stop)
    except ModelUnavailable as error:
        write_not_run(arguments.results, arguments.model, str(error))
        raise


def _measure(arguments: argparse.Namespace, config: TrainConfig, stop: StopRequest) -> None:
    from orchestrator import progress
    from workers.language.answers import Mode
    from workers.language.cache import AnswerCache
    from workers.language.session import METRICS, Price, Question, document, measure
    from workers.language.subjects import Points, validation_subjects, with_true_class
    from workers.runtime.atomic import replace_json

    subjects = validation_subjects(config, Points(arguments.points), arguments.samples, arguments.results)
    subjects = with_true_class(subjects) if arguments.tell_class else subjects
    model = _backend(arguments, config)
    points = arguments.points + (" + class" if arguments.tell_class else "")
    question = Question(mode=Mode(arguments.mode), points=points, shown=arguments.shown)
    cache = AnswerCache(arguments.results / "answers")

    def after_each(number: int) -> None:
        progress.report(step=number, total=len(subjects), unit="sample", message="asking")
        stop.check()

    replies = measure(model, subjects, question, cache, after_each)
    price = Price(input=arguments.price_input, output=arguments.price_output)
    found = document(model, replies, question, price, cache.found)
    replace_json(arguments.results / METRICS, found)
    baseline = found["least_squares_equation_acc"]
    print(
        f"{found['row']} ({found['label']}), {question.mode}, {points} points, {len(replies)} samples: "
        f"equation accuracy {found['equation_acc']:.3f}, least squares {baseline:.3f}; "
        f"parsed {found['parse_rate']:.3f}; {found['cost_usd']:.4f} USD"
    )


def _backend(arguments: argparse.Namespace, config: TrainConfig) -> "LanguageModel":
    from workers.language.backends import ModelUnavailable
    from workers.language.chat_api import ChatAPI

    if arguments.backend == "chat":
        key = os.environ.get(arguments.key_from)
        if not key and arguments.url == OPENAI:
            raise ModelUnavailable(f"no key: set {arguments.key_from}, or name another --url")
        return ChatAPI(
            base_url=arguments.url, model=arguments.model, key=key, max_tokens=arguments.max_tokens
        )
    from workers.language.local_model import LocalModel
    from workers.runtime.session import choose_device

    if arguments.backend == "tiny" and not (Path(arguments.model) / "config.json").exists():
        _train_tiny(arguments, config)
    return LocalModel(
        name=arguments.model, device=choose_device(arguments.device), max_tokens=arguments.max_tokens
    )


def _train_tiny(arguments: argparse.Namespace, config: TrainConfig) -> None:
    from workers.language.tiny import train_tiny

    loss = train_tiny(
        Path(arguments.model), _lessons(arguments, config), shown=arguments.shown, steps=TINY_STEPS
    )
    print(f"trained a tiny model into {arguments.model}, loss {loss:.3f}", flush=True)


def _lessons(arguments: argparse.Namespace, config: TrainConfig) -> "list[Subject]":
    """Paths of another seed than the ones asked about, told in the same way."""
    from workers.language.subjects import Points, validation_subjects, with_true_class

    other = {"seed": config.data.seed + 1, "num_samples": 5 * TINY_SAMPLES, "validation_fraction": 0.2}
    lessons = config.model_copy(update={"data": config.data.model_copy(update=other)})
    points = Points.TRUE if arguments.points == "true" else Points.NOISY
    subjects = validation_subjects(lessons, points, TINY_SAMPLES, None)
    told = arguments.tell_class or arguments.points == "predicted"
    return with_true_class(subjects) if told else subjects


if __name__ == "__main__":
    sys.exit(main())
