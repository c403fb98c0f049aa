"""How help looks: commands under the titles of their groups, arguments without Python's types."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class PlainCommand(TyperCommand):
    def format_options(self, ctx: Any, formatter: Any) -> None:
        params = [p for p in self.get_params(ctx) if not getattr(p, "hidden", False)]
        arguments = [
            (p.metavar, getattr(p, "help", None) or "") for p in params if p.param_type_name == "argument"
        ]
        options = [p.get_help_record(ctx) for p in params if p.param_type_name == "option"]
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class GroupedCommands(TyperGroup):
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        longest = max(len(name) for name in self.commands)
        for name, command in self.commands.items():
            if not command.hidden:
                title = getattr(command, "rich_help_panel", None)
                line = command.get_short_help_str(formatter.width - longest - 6)
                rows = groups.setdefault(title if isinstance(title, str) else "Commands", [])
                rows.append((name.ljust(longest), line))
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)
