"""Where a section goes, whatever a changelog looks like; and that nothing else changes."""

from __future__ import annotations

import pytest

from orchestrator.reports.changelog import Spot, find_spot, insert
from orchestrator.reports.text import as_items, code, inline

NEW = "NEW\n"

KEPT = """\
# Changelog

All notable changes are here.

## [Unreleased]

### Added
- pending

## [1.0.0] - 2024-01-01
- first

[Unreleased]: https://example.org/compare
[1.0.0]: https://example.org/1.0.0
"""


def put(changelog: str) -> str:
    return insert(changelog, NEW, find_spot(changelog))


@pytest.mark.parametrize(
    ("before", "after", "level"),
    [
        pytest.param(KEPT, KEPT.replace("### Added", "NEW\n\n### Added", 1), 3, id="keep a changelog"),
        pytest.param(
            "# Changes\n\n## Unreleased\n\n- loose\n\n## 1.0\n- x\n",
            "# Changes\n\n## Unreleased\n\n- loose\n\nNEW\n\n## 1.0\n- x\n",
            3,
            id="loose text under unreleased stays there",
        ),
        pytest.param(
            "# Changelog\n\nWords.\n\n## 1.1\n- x\n",
            "# Changelog\n\nWords.\n\nNEW\n\n## 1.1\n- x\n",
            2,
            id="no unreleased: above the newest version",
        ),
        pytest.param("# Changelog\n", "# Changelog\n\nNEW\n", 2, id="a title only"),
        pytest.param("# Changelog", "# Changelog\n\nNEW\n", 2, id="no line end"),
        pytest.param("", "NEW\n", 2, id="empty"),
        pytest.param("words only\n", "words only\n\nNEW\n", 2, id="no heading"),
        pytest.param("# 1.1\n- x\n# 1.0\n", "NEW\n\n# 1.1\n- x\n# 1.0\n", 1, id="versions on top level"),
        pytest.param("## v2\n- x\n", "NEW\n\n## v2\n- x\n", 2, id="no title"),
        pytest.param(
            "Changelog\n=========\n\nUnreleased\n----------\n\n1.0\n---\n- x\n",
            "Changelog\n=========\n\nUnreleased\n----------\n\nNEW\n\n1.0\n---\n- x\n",
            3,
            id="underlined",
        ),
        pytest.param(
            "# Changelog\r\n\r\n## [Unreleased]\r\n",
            "# Changelog\r\n\r\n## [Unreleased]\r\n\r\nNEW\r\n",
            3,
            id="crlf",
        ),
        pytest.param(
            "# Changelog\n\n```\n## [Unreleased]\n```\n<!--\n## Unreleased\n-->\n## 1.0\n",
            "# Changelog\n\n```\n## [Unreleased]\n```\n<!--\n## Unreleased\n-->\n\nNEW\n\n## 1.0\n",
            2,
            id="headings in code and comments are none",
        ),
        pytest.param(
            "# Changelog\n\n## [Unreleased]\n\n[Unreleased]: https://example.org\n",
            "# Changelog\n\n## [Unreleased]\n\nNEW\n\n[Unreleased]: https://example.org\n",
            3,
            id="link definitions stay at the end",
        ),
        pytest.param(
            "\ufeff# Changelog\n\n## 1.0\n", "\ufeff# Changelog\n\nNEW\n\n## 1.0\n", 2, id="byte order mark"
        ),
    ],
)
def test_where_it_goes(before: str, after: str, level: int) -> None:
    assert put(before) == after
    assert find_spot(before).level == level


def test_the_newest_wave_stands_on_top() -> None:
    once = insert(KEPT, "### Wave 1\n\n- a\n", find_spot(KEPT))
    twice = insert(once, "### Wave 2\n\n- b\n", find_spot(once))
    assert twice.index("### Wave 2") < twice.index("### Wave 1") < twice.index("### Added")


def test_taking_the_section_out_gives_the_old_text() -> None:
    spot = find_spot(KEPT)
    assert insert(KEPT, NEW, spot).replace("NEW\n\n", "", 1) == KEPT
    assert spot == Spot(6, 3)


@pytest.mark.parametrize(
    ("fragment", "items"),
    [
        ("Faster.\n", "- Faster."),
        ("Faster,\nby far.\n\nTwice.", "- Faster,\n  by far.\n\n  Twice."),
        ("- one\n- two\n", "- one\n- two"),
        ("* one\n", "* one"),
        ("1. one\n", "1. one"),
        ("\n\n", ""),
        ("- x\n# [1.0.0]\n## y\n", "- x\n#### [1.0.0]\n#### y"),
        ("- x\nTitle\n---\n", "- x\nTitle\n\\---"),
        ("- x\n```\n# code\n", "- x\n```\n# code\n```"),
        ("- x <!-- and\n<script>", "- x &lt;!-- and\n&lt;script>"),
        (
            "- `List<int>` of List<int> <https://example.org>",
            "- `List<int>` of List&lt;int> <https://example.org>",
        ),
        ("- {{ 7 * 7 }} {% raw %} {# x #}", "- {{ 7 * 7 }} {% raw %} {# x #}"),
        ("- a\x1b[31mred\x07\u202e \udcff\r\n- b", "- a[31mred \ufffd\n- b"),
    ],
)
def test_a_fragment_stays_within_itself(fragment: str, items: str) -> None:
    assert as_items(fragment, 3) == items


def test_foreign_words_build_nothing() -> None:
    assert inline("a | b\n[c](d) <img>\x1b") == "a \\| b [c]\\(d) &lt;img>"
    assert code("a`b``c|d") == "``` a`b``c\\|d ```"
    assert code("plain/path.py") == "`plain/path.py`"
