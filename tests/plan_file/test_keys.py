# ruff: noqa: E501 - each line is what users see
"""Keys that are unknown, missing, doubled or no text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BAD = {
    "unknown_keys_name_the_nearest": (
        """\
version: 1
project: demo
wave: {}
hosts:
  gpu: {ssh: gpu, gpuss: 1}
waves:
  1:
    gaol: x
    workstreams:
      a: {brnch: a, branch: b, heartbeat: {stall: 3m}}
""",
        [
            "3:1: unknown key 'wave'; allowed: agents, base, defaults, gates, hosts, integration, metrics, notify, project, remote, retention, tmux, version, waves; did you mean 'waves'?",
            "5:19: unknown key 'gpuss'; allowed: disk_floor, engine, gpus, identity, jump, python, root, share, slots, ssh; did you mean 'gpus'?",
            "8:5: unknown key 'gaol'; allowed: gates, goal, needs, setup, winner, workstreams; did you mean 'goal'?",
            "10:11: unknown key 'brnch'; allowed: agent, base, branch, brief, components, copy, env, gates, gpu, heartbeat, host, needs, paths, ports, priority, restart, results, resume, review, run, setup, skeleton, stages, sync, worktree; did you mean 'branch'?",
            "10:44: unknown key 'stall'; allowed: every, stale; did you mean 'stale'?",
        ],
    ),
    "required_keys_are_missing": (
        """\
hosts: {gpu: {gpus: 1}}
waves:
  1:
    workstreams:
      a: {run: make}
      b: {branch: b, stages: [{name: x}]}
  2: {goal: none}
""",
        [
            "1:1: the key 'project' is missing",
            "1:1: the key 'version' is missing",
            "1:9: the key 'ssh' is missing; only 'local' needs none",
            "5:7: the key 'branch' is missing",
            "6:31: the key 'run' is missing",
            "7:3: the key 'workstreams' is missing",
        ],
    ),
    "empty_mappings": (
        """\
version: 1
project: demo
waves: {}
""",
        [
            "3:1: 'waves' is empty; at least one entry is wanted",
        ],
    ),
    "empty_wave": (
        """\
version: 1
project: demo
waves:
  1: {workstreams: {}}
""",
        [
            "4:7: 'workstreams' is empty; at least one entry is wanted",
        ],
    ),
    "duplicate_keys": (
        """\
version: 1
project: demo
project: other
waves:
  1: {workstreams: {a: {branch: a, run: x, run: y}}}
  '1': {workstreams: {b: {branch: b}}}
""",
        [
            "3:1: duplicate key 'project'; it is already on line 2",
            "5:44: duplicate key 'run'; it is already on line 5",
            "6:3: duplicate key '1'; it is already on line 5",
        ],
    ),
    "keys_that_yaml_reads_as_something_else": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      12: {branch: a}
      no: {branch: b}
      ~: {branch: c}
      1:30: {branch: d}
      ok: {branch: e, env: {1: a, on: b}}
""",
        [
            "6:7: the key '12' is a number in YAML; quote it: '12'",
            "7:7: the key 'no' is a boolean in YAML; quote it: 'no'",
            "8:7: the key '~' is nothing in YAML; quote it: '~'",
            "9:7: the key '1:30' is a number to the base 60 in YAML; quote it: '1:30'",
            "10:29: the key '1' is a number in YAML; quote it: '1'",
            "10:35: the key 'on' is a boolean in YAML; quote it: 'on'",
        ],
    ),
    "keys_that_are_no_scalars": (
        """\
version: 1
project: demo
? [a]
: x
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "3:3: a key that is a list or a mapping; keys are text",
        ],
    ),
    "wave_keys_are_positive_numbers": (
        """\
version: 1
project: demo
waves:
  0: {workstreams: {a: {branch: a}}}
  one: {workstreams: {b: {branch: b}}}
  -1: {workstreams: {c: {branch: c}}}
  1.5: {workstreams: {d: {branch: d}}}
  01: {workstreams: {e: {branch: e}}}
""",
        [
            "4:3: '0' is no wave; waves are numbered from 1",
            "5:3: 'one' is no wave; waves are numbered from 1",
            "6:3: '-1' is no wave; waves are numbered from 1",
            "7:3: '1.5' is no wave; waves are numbered from 1",
            "8:3: the key '01' is a special number in YAML; quote it: '01'",
        ],
    ),
    "tags_are_refused": (
        """\
version: 1
project: demo
base: !ref main
remote: !!python/object/apply:os.system [ls]
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "3:7: the tag '!ref'; plans have no tags",
            "4:9: found a list; text is wanted",
            "4:9: the tag 'tag:yaml.org,2002:python/object/apply:os.system'; plans have no tags",
        ],
    ),
    "merge_of_a_scalar": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, <<: text}
""",
        [
            "6:26: '<<' takes a mapping, or a list of mappings",
        ],
    ),
    "branch_and_worktree_have_no_default": (
        """\
version: 1
project: demo
defaults: {branch: x, worktree: ../y, hots: gpu}
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "3:12: 'branch' has no default; each workstream names its own",
            "3:23: 'worktree' has no default; each workstream names its own",
            "3:39: unknown key 'hots'; allowed: agent, base, brief, components, copy, env, gates, gpu, heartbeat, host, needs, paths, ports, priority, restart, results, resume, review, run, setup, skeleton, stages, sync; did you mean 'host'?",
        ],
    ),
    "keys_of_a_command_gate": (
        """\
version: 1
project: demo
gates:
  t: {run: pytest, timout: 3m, spec: x}
  u: {check: clones, severty: warn, since: 2020-01-01, deep: [{a: 1:30}], nothing: }
  v: {}
  w: {run: x, check: tdd}
  x: {check: clone}
  y: {run: x, scope: trees, severity: error, inputs: [../x]}
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "4:20: unknown key 'timout'; allowed: check, gpu, inputs, retries, run, scope, severity, timeout; did you mean 'timeout'?",
            "4:32: unknown key 'spec'; allowed: check, gpu, inputs, retries, run, scope, severity, timeout; did you mean 'scope'?",
            "5:22: unknown key 'severty'; allowed: check, gpu, inputs, retries, run, scope, severity, timeout; did you mean 'severity'?",
            "5:44: '2020-01-01' is a date in YAML; quote it: '2020-01-01'",
            "5:67: '1:30' is a number to the base 60 in YAML; quote it: '1:30'",
            "5:83: nothing here; leave the key out",
            "6:3: the gate 'v' has neither 'run' nor 'check'; it has exactly one of them",
            "7:3: the gate 'w' has both 'run' and 'check'; it has exactly one of them",
            "8:14: unknown check 'clone'; allowed: benchmarks, clean-merge, clones, components, docs, independence, metrics, mypy, paths, pre-commit, pytest, redflags, review, ruff, silent-revert, tdd; did you mean 'clones'?",
            "9:22: unknown scope 'trees'; allowed: commits, diff, tree, wave; did you mean 'tree'?",
            "9:39: unknown severity 'error'; allowed: block, warn",
            "9:55: the path '../x' may leave the repository by '..'; a path inside the repository is wanted",
        ],
    ),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD)
def test_every_problem_has_its_line(
    complaints: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert complaints(text) == expected
