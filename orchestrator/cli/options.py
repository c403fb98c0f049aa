"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.completion import complete_names


def _or_before(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """The option's value, else the one given before the subcommand."""
    return value or ctx.find_root().params.get(param.name or "")


def wave_number(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter("a wave is a number, such as 1")
    return int(text)


PlanFile = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="FILE", help="The plan; default: waves.yaml, found upward.", callback=_or_before
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, for programs.", callback=_or_before)
]

Name = Annotated[str, typer.Argument(metavar="NAME", help="A workstream.", autocompletion=complete_names)]
SomeNames = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME", help="Workstreams, or patterns as 'train*'.", autocompletion=complete_names
    ),
]
AnyNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Workstreams, or patterns as 'train*'; default: all.",
        autocompletion=complete_names,
    ),
]
WaveNumber = Annotated[int, typer.Argument(metavar="N", help="A wave's number.", parser=wave_number)]
AWave = Annotated[int | None, typer.Option("--wave", metavar="N", help="Of one wave.", parser=wave_number)]
