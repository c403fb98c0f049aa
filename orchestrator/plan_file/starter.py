"""The plan that `init` writes: it loads as it is, and teaches by example."""

from __future__ import annotations

import re

import yaml

from orchestrator.plan_file.branches import folders

_STARTER = """\
# yaml-language-server: $schema=./waves.schema.json
# For completion in an editor: orchestrator schema > waves.schema.json
# Check this file with: orchestrator validate. Start it with: orchestrator up.
version: 1
project: {project}    # sessions are called <project>_<workstream>
base: {base}    # the branch that waves land on
integration: {integration}    # where a wave is assembled and checked first
{remote}
# Other machines; this one is `local`.
# hosts:
#   gpu: {{ssh: user@example.org, gpus: 1, slots: 4}}

defaults:    # any key of a workstream, for all of them
  heartbeat: {{every: 30s, stale: 3m}}
  restart: {{limit: 3, backoff: 10s}}
  gates: [clean-merge]    # what a branch must pass to land

# Commands that must exit 0; add their names to `gates:` above.
# gates:
#   tests: {{run: pytest -q, timeout: 30m}}

waves:
  1:
    goal: the shared foundation
    workstreams:
      foundation: {{branch: {work}/foundation}}    # no command: a worktree and a shell
  2:
    goal: two ways, side by side
    needs: [1]    # starts when wave 1 has landed
    workstreams:
      first:
        branch: {work}/first
        run: echo "put your command here"
        # paths: [src/first/]      what this branch may touch
        # setup: make venv         once per worktree
        # env: {{MODE: "fast"}}      values are text: quote numbers, yes and no
      second:
        branch: {work}/second
        run: echo "put your command here"
        needs: [first]    # starts when first is done
"""


def starter_text(project: str, base: str, has_remote: bool) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", project).strip("-_")[:64] or "project"
    work = _free(name, base)
    return _STARTER.format(
        project=_scalar(name),
        base=_scalar(base),
        integration=_scalar(_free("integration", base) + "/wave{wave}"),
        remote=f"{'' if has_remote else '# '}remote: origin    # branches, base and tags are pushed there",
        work=work,
    )


def _free(folder: str, base: str) -> str:
    """The folder for branches, under another name where git could not keep it beside the base."""
    while folder in {base, *folders(base)}:
        folder += "-work"
    return folder


def _scalar(text: str) -> str:
    """The text in YAML, in quotes where YAML would read something else."""
    return yaml.safe_dump(text, width=10_000, allow_unicode=True).splitlines()[0]
