"""The shell script that stands in a hooks folder: first the hook that was there, then ours."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import orchestrator

MARK = "# Made by `orchestrator hooks install`; `orchestrator hooks uninstall` puts back what was here."
KEPT = ".before-orchestrator"
REFUSED = 20
"""The status of our own "no". Every other one means that the program did not run."""

_SHELL = re.compile(rb"#!\s*((?:/usr)?/bin/(?:env +)?(?:sh|bash|dash))\s*\n")
_WITH_INPUT = ("pre-push",)

_TEXT = """\
#!/bin/sh
{mark}
name={name}
hooks=${{0%/*}}
kept=$hooks/$name{kept}
shell={shell}
python={python}
root={root}
[ "${{ORCHESTRATOR_IN_HOOK-}}" = "$name $PWD" ] && exit 0
{take_input}
earlier() {{
    if [ -n "${{PRE_COMMIT_RUNNING_LEGACY-}}" ] && grep -q hook-impl "$kept"; then return 0; fi
    ORCHESTRATOR_IN_HOOK="$name $PWD"
    export ORCHESTRATOR_IN_HOOK
    if [ -n "$shell" ]; then
        # Some hooks look at their own name: they are told the one they had.
        $shell -c 'kept=$1; shift; . "$kept"' "$hooks/$name" "$kept" "$@"
    else
        "$kept" "$@"
    fi
}}
if [ -x "$kept" ]; then
    ({give_input}earlier "$@") || exit $?
fi

start="import sys; sys.path.insert(0, sys.argv.pop(1))
from orchestrator.__main__ import main; sys.exit(main())"
ours() {{
    if [ -x "$python" ] && [ -f "$root/orchestrator/__main__.py" ]; then
        "$python" -P -c "$start" "$root" hooks run "$name" {options} -- "$@"
    elif command -v orchestrator >/dev/null 2>&1; then
        orchestrator hooks run "$name" {options} -- "$@"
    else
        return 127
    fi
}}
{give_input}ours "$@"
status=$?
case $status in
    0 | 130) exit $status ;;
    {refused}) exit 1 ;;
    127) why="the program is gone; orchestrator hooks install mends it, or remove $0" ;;
    *) why="it failed with status $status" ;;
esac
echo "orchestrator: its $name hook checked nothing: $why" >&2
exit 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a person asked of the hooks. `plan` None: found from where git runs them."""

    plan: Path | None = None
    only_planned: bool = False

    def options(self) -> str:
        plan = ["--plan", shlex.quote(str(self.plan))] if self.plan is not None else []
        return " ".join([*plan, *(["--only-planned"] if self.only_planned else [])])


def stub_text(name: str, choices: Choices, kept: bytes | None) -> str:
    """`kept` is the content of the hook that was there."""
    found = _SHELL.match(kept) if kept is not None else None
    has_input = name in _WITH_INPUT
    return _TEXT.format(
        mark=MARK,
        name=name,
        kept=KEPT,
        shell=shlex.quote(found[1].decode() if found else ""),
        python=shlex.quote(sys.executable),
        root=shlex.quote(str(Path(orchestrator.__file__).resolve().parents[1])),
        take_input="input=$(cat; printf .)\ninput=${input%.}\n" if has_input else "",
        give_input='printf %s "$input" | ' if has_input else "",
        options=choices.options(),
        refused=REFUSED,
    )


def is_ours(content: bytes) -> bool:
    return MARK.encode() in content[:1000]
