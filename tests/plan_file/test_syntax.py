"""Files that are not YAML, or not a plan: one line each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BAD = {
    "a_tab": (
        """\
version: 1
\tproject: x
""",
        [
            "2:1: not YAML: a tab; indent with spaces",
        ],
    ),
    "indentation": (
        """\
a:
  b: 1
 c: 2
""",
        [
            "3:2: not YAML: this does not continue what is above it; mend its indentation",
        ],
    ),
    "two_colons": (
        """\
run: a: b
""",
        [
            "1:7: not YAML: a second ': ' on the line; quote the text that holds it",
        ],
    ),
    "unclosed": (
        """\
a: [1, 2
b: 3
""",
        [
            "2:2: not YAML: expected ',' or ']', but got ':', while parsing a flow sequence",
        ],
    ),
    "undefined_alias": (
        """\
a: *b
""",
        [
            "1:4: not YAML: found undefined alias 'b'",
        ],
    ),
    "alias_in_itself": (
        """\
a: &a [*a]
""",
        [
            "1:8: an alias inside the very value it stands for",
        ],
    ),
    "two_documents": (
        """\
version: 1
project: demo
---
a: 1
""",
        [
            "3:1: a second document begins here; a plan is one document",
        ],
    ),
    "a_list": (
        """\
- a
- b
""",
        [
            "1:1: a plan is a mapping of keys, beginning with 'version: 1'",
        ],
    ),
    "text": (
        """\
hello
""",
        [
            "1:1: a plan is a mapping of keys, beginning with 'version: 1'",
        ],
    ),
    "nothing": (
        "",
        [
            "1:1: the plan is empty; 'orchestrator init' writes one to start from",
        ],
    ),
    "comments_only": (
        """\
# nothing
""",
        [
            "1:1: the plan is empty; 'orchestrator init' writes one to start from",
        ],
    ),
    "an_escape_that_names_no_character": (
        """\
a: "\\UFFFFFFFF"
""",
        [
            "1:7: not YAML: an escape that names no character",
        ],
    ),
    "a_control_character": (
        """\
a: b
c: \a
""",
        [
            "2:4: not YAML: the character '\\x07' may not stand in a file",
        ],
    ),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD)
def test_every_problem_has_its_line(
    complaints: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert complaints(text) == expected
