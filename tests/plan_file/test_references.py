# ruff: noqa: E501 - each line is what users see
"""Keys that contradict each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BAD = {
    "unknown_names": (
        """\
version: 1
project: demo
hosts: {gpu: {ssh: gpu}}
gates: {tests: {run: pytest}}
defaults: {gates: [tets]}
waves:
  1:
    gates: [independense]
    workstreams:
      shared: {branch: a, host: gpuu}
  2:
    needs: [3, sharde]
    workstreams:
      b: {branch: b, needs: [shard, 4, '1'], gates: clean-merg}
""",
        [
            "5:20: unknown gate 'tets'; known: benchmarks, clean-merge, clones, components, docs, independence, metrics, mypy, paths, pre-commit, pytest, redflags, review, ruff, silent-revert, tdd, tests; did you mean 'tests'?",
            "8:13: unknown gate 'independense'; known: benchmarks, clean-merge, clones, components, docs, independence, metrics, mypy, paths, pre-commit, pytest, redflags, review, ruff, silent-revert, tdd, tests; did you mean 'independence'?",
            "10:33: unknown host 'gpuu'; known: gpu, local; did you mean 'gpu'?",
            "12:13: unknown wave '3'; known: 1, 2",
            "12:16: unknown workstream 'sharde'; known: b, shared; did you mean 'shared'?",
            "14:30: unknown workstream 'shard'; known: b, shared; did you mean 'shared'?",
            "14:37: unknown wave '4'; known: 1, 2",
            "14:40: unknown workstream '1'; known: b, shared; for the wave leave the quotes out",
            "14:53: unknown gate 'clean-merg'; known: benchmarks, clean-merge, clones, components, docs, independence, metrics, mypy, paths, pre-commit, pytest, redflags, review, ruff, silent-revert, tdd, tests; did you mean 'clean-merge'?",
        ],
    ),
    "unknown_agents_where_agents_are_named": (
        """\
version: 1
project: demo
agents: {coder: {run: x}}
waves: {1: {workstreams: {a: {branch: a, agent: codr}}}}
""",
        [
            "4:49: unknown agent 'codr'; known: coder; did you mean 'coder'?",
        ],
    ),
    "briefs_that_nobody_reads_and_patterns_that_are_none": (
        """\
version: 1
project: demo
agents: {coder: {run: x, asks: ["(go"]}}
waves: {1: {workstreams: {a: {branch: a, run: y, brief: do it}}}}
""",
        [
            "3:33: '(go' is no regular expression: missing ), unterminated subpattern at position 0",
            "4:50: 'brief' without 'agent'; it is what a role under agents is told",
        ],
    ),
    "twice_the_same_workstream": (
        """\
version: 1
project: demo
waves:
  1: {workstreams: {a: {branch: a}}}
  2: {workstreams: {a: {branch: b}}}
""",
        [
            "5:21: 'a' is already a workstream of wave 1, on line 4; names are unique in the plan",
        ],
    ),
    "twice_the_same_branch": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: x}
      b: {branch: x}
      c: {branch: main}
      d: {branch: integration/wave1}
      e: {branch: e, base: e}
""",
        [
            "7:19: the branch 'x' is already that of 'a' on line 6; each needs its own",
            "8:19: the branch 'main' is already the base; each needs its own",
            "9:19: the branch 'integration/wave1' is already the integration branch of wave 1; each needs its own",
            "10:28: 'e' would be made from its own branch 'e'; name another base",
        ],
    ),
    "branches_that_cannot_both_exist": (
        """\
version: 1
project: demo
base: work/main
waves:
  1:
    workstreams:
      a: {branch: x}
      b: {branch: x/y}
      c: {branch: work}
      d: {branch: integration}
      e: {branch: e, base: x/z}
""",
        [
            "8:19: the branches 'x/y' and 'x' (that of 'a' on line 7) cannot both exist: git would need a file and a folder of that name; rename one",
            "9:19: the branches 'work/main' and 'work' (that of 'c' on line 9) cannot both exist: git would need a file and a folder of that name; rename one",
            "10:19: the branches 'integration/wave1' and 'integration' (that of 'd' on line 10) cannot both exist: git would need a file and a folder of that name; rename one",
            "11:28: the branches 'x/z' and 'x' (that of 'a' on line 7) cannot both exist: git would need a file and a folder of that name; rename one",
        ],
    ),
    "worktrees": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, worktree: ../w}
      b: {branch: b, worktree: ../w/}
      c: {branch: c, worktree: .}
      d: {branch: d, worktree: ..}
      e: {branch: e, worktree: .git/x}
      f: {branch: f, worktree: ../repository.worktrees/g}
      g: {branch: g}
""",
        [
            "7:32: the worktree '/place/w' is already that of 'a' on line 6; each needs its own",
            "8:32: the worktree '/place/repository' is the repository itself, or holds it; a folder beside the repository is wanted",
            "9:32: the worktree '/place' is the repository itself, or holds it; a folder beside the repository is wanted",
            "10:32: the worktree '/place/repository/.git/x' is inside .git; a folder beside the repository is wanted",
            "12:10: the worktree '/place/repository.worktrees/g' is already that of 'f' on line 11; each needs its own",
        ],
    ),
    "needs_in_a_circle": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, needs: b}
      b: {branch: b, needs: [c]}
      c: {branch: c, needs: [a]}
      d: {branch: d, needs: [a]}
      e: {branch: e, needs: [e]}
""",
        [
            "8:30: needs in a circle: a -> b -> c -> a; take one of them out",
            "10:30: 'e' needs itself",
        ],
    ),
    "needs_in_a_circle_through_waves": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, needs: [b]}
  2:
    needs: [1]
    workstreams:
      b: {branch: b}
""",
        [
            "8:13: needs in a circle: wave 1 -> a -> b -> wave 1; take one of them out",
        ],
    ),
    "needs_in_a_circle_between_waves": (
        """\
version: 1
project: demo
waves:
  1:
    needs: [c]
    workstreams:
      a: {branch: a}
  2:
    workstreams:
      b: {branch: b, needs: [a]}
  3:
    workstreams:
      c: {branch: c, needs: [2]}
""",
        [
            "13:30: needs in a circle: wave 1 -> a -> c -> wave 2 -> wave 1; take one of them out",
        ],
    ),
    "needs_of_own_and_later_waves": (
        """\
version: 1
project: demo
waves:
  1:
    needs: [1, 2, a]
    workstreams:
      a: {branch: a, needs: 2}
  2:
    workstreams:
      b: {branch: b, needs: [2, 1.5]}
""",
        [
            "5:13: wave 1 needs wave 1, itself; it may need earlier ones",
            "5:16: wave 1 needs wave 2, a later one; waves land in ascending order",
            "5:19: wave 1 needs 'a', a workstream of its own",
            "7:29: 'a' needs wave 2, a later one; waves land in ascending order",
            "10:30: 'b' needs wave 2, its own; it may need earlier ones",
            "10:33: '1.5' is a number in YAML; a workstream's name or a wave's number is wanted; quote it: '1.5'",
        ],
    ),
    "more_than_one_kind_of_work": (
        """\
version: 1
project: demo
agents: {x: {run: x}}
waves:
  1:
    workstreams:
      a: {branch: a, run: x, stages: [{name: s, run: y}]}
      b: {branch: b, agent: x, run: y}
      c: {branch: c, resume: x}
      d: {branch: d, stages: []}
      e: {branch: e, stages: [{name: s, run: y}, {name: s, run: z}]}
""",
        [
            "7:30: 'stages' beside 'run'; a workstream has one of run, stages and agent",
            "8:32: 'run' beside 'agent'; a workstream has one of run, stages and agent",
            "9:22: 'resume' without 'run'; it is the command that starts 'run' again",
            "10:30: no stages; leave the key out for a plain shell",
            "11:57: a second stage 's'; names of stages are unique",
        ],
    ),
    "more_gpus_than_the_host_has": (
        """\
version: 1
project: demo
hosts: {gpu: {ssh: gpu, gpus: [2, 3]}, cpu: {ssh: cpu}}
defaults: {gpu: 1}
waves:
  1:
    workstreams:
      a: {branch: a, host: gpu, gpu: 3}
      b: {branch: b, host: gpu, gpu: 2}
      c: {branch: c, host: cpu}
      d: {branch: d}
""",
        [
            "4:17: 1 GPU for 'c'; the host 'cpu' has 0; see 'gpus' under hosts",
            "4:17: 1 GPU for 'd'; the host 'local' has 0; see 'gpus' under hosts",
            "8:38: 3 GPUs for 'a'; the host 'gpu' has 2; see 'gpus' under hosts",
        ],
    ),
    "gates_with_more_gpus_than_their_host_has": (
        """\
version: 1
project: demo
hosts: {gpu: {ssh: gpu, gpus: 1}, cpu: {ssh: cpu}}
gates:
  one: {run: x, gpu: 1}
  two: {run: x, gpu: 2}
  merged: {run: x, gpu: 1, scope: wave}
waves:
  1:
    gates: [one]
    workstreams:
      a: {branch: a, host: gpu, gates: [one, two]}
      b: {branch: b, host: cpu, gates: one}
      c: {branch: c, host: gpu, gates: merged}
""",
        [
            "10:13: 1 GPU for 'gate one'; the host 'local' has 0; see 'gpus' under hosts",
            "12:46: 2 GPUs for 'gate two'; the host 'gpu' has 1; see 'gpus' under hosts",
            "13:40: 1 GPU for 'gate one'; the host 'cpu' has 0; see 'gpus' under hosts",
            "14:40: 1 GPU for 'gate merged'; the host 'local' has 0; see 'gpus' under hosts",
        ],
    ),
    "inputs_that_narrow_nothing_down": (
        """\
version: 1
project: demo
gates:
  a: {run: x, inputs: []}
  b: {check: paths, inputs: [src]}
  c: {run: x, scope: commits, inputs: [src]}
  d: {run: x, scope: diff, inputs: [src]}
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "4:15: no inputs; leave the key out where all files count",
            "5:21: 'inputs' beside 'check'; a built-in check knows itself what it looks at",
            "6:31: 'inputs' with the scope 'commits', which depends on commits; leave one of them out",
        ],
    ),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD)
def test_every_problem_has_its_line(
    complaints: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert complaints(text) == expected
