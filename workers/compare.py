"""`python -m workers.compare`: compares results folders and names a winner, or a tie."""

import argparse
import sys
from pathlib import Path

from workers.cli import UsageError, made_folder, run_command
from workers.comparison.evidence import VALIDATION, read_folder
from workers.comparison.page import comparison_page, validation_page
from workers.comparison.verdict import decide
from workers.runtime.atomic import replace_text

PAGE = "PARALLEL_RESULTS_COMPARISON.md"
VALIDATION_PAGE = Path("results") / "validation_comparison.md"


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    return run_command("workers.compare", lambda: _compare(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.compare", description=__doc__)
    parser.add_argument(
        "results",
        nargs="+",
        metavar="[NAME=]DIR",
        help="a branch's results; several runs below it are its seeds",
    )
    parser.add_argument(
        "--output", type=Path, default=Path(), help=f"folder for {PAGE} and {VALIDATION_PAGE}; default: here"
    )
    return parser


def _compare(arguments: argparse.Namespace) -> None:
    folders = dict(_named(text) for text in arguments.results)
    if len(folders) < len(arguments.results):
        raise UsageError("two results have the same name; give them as NAME=DIR")
    for folder in folders.values():
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder")
    branches = [read_folder(name, folder) for name, folder in folders.items()]
    verdict = decide(branches)
    output: Path = arguments.output
    made_folder((output / VALIDATION_PAGE).parent)
    stage = [read_folder(name, folder, VALIDATION) for name, folder in folders.items()]
    replace_text(output / VALIDATION_PAGE, validation_page(stage))
    replace_text(output / PAGE, comparison_page("Comparison of the branches", branches, verdict))
    print(f"winner: {verdict.winner or 'none'} ({verdict.reason}); see {output / PAGE}")


def _named(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    return (name, Path(folder)) if separator else (Path(text).resolve().name, Path(text))


if __name__ == "__main__":
    sys.exit(main())
