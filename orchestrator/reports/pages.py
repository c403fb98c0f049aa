"""Jinja2, which only those pay for who write a page."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator.reports.text import code, inline

if TYPE_CHECKING:
    from jinja2 import Environment


def page(template: str, **values: Any) -> str:
    """A page made of values: none of them is ever read as a template."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("orchestrator.reports"),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown: `inline` and `code` guard what is foreign
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters.update(inline=inline, code=code)
    return pages
