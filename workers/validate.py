"""`python -m workers.validate`: checks a generated dataset and writes its card. Exit 4: not valid."""

import argparse
import sys
from pathlib import Path

from workers.cli import InvalidData, made_folder, run_command


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    return run_command("workers.validate", lambda: _validate(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.validate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="what python -m workers.generate wrote")
    parser.add_argument("--output", type=Path, help="for report, card and picture; default: --data")
    return parser


def _validate(arguments: argparse.Namespace) -> None:
    from workers.data.card import write_card
    from workers.data.validate import validate
    from workers.runtime.atomic import replace_json, replace_text

    report = validate(arguments.data)
    output = made_folder(arguments.output or arguments.data)
    replace_json(output / "validation_report.json", report.document())
    replace_text(output / "validation_report.txt", report.text())
    write_card(arguments.data, output, report)
    print(report.text(), end="")
    if not report.ok:
        failed = ", ".join(one.check for one in report.findings if not one.ok)
        raise InvalidData(f"{arguments.data}: {failed}; see {output / 'validation_report.txt'}")


if __name__ == "__main__":
    sys.exit(main())
