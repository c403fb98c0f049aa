# ruff: noqa: E501 - each line is what users see
"""Values that a key cannot hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

BAD = {
    "text_that_yaml_reads_as_something_else": (
        """\
version: 1
project: 12
base: 1.10
remote: no
integration: 2020-01-01
waves:
  1:
    goal: 1:30
    workstreams:
      a: {branch: on, run: true, setup: ~, brief: 0x1F, host: 010}
      b: {branch: .inf, run: , env: {A: 1, B: yes, C: 1.5, D: }}
""",
        [
            "2:10: '12' is a number in YAML; text is wanted; quote it: '12'",
            "3:7: '1.10' is a number in YAML; text is wanted; quote it: '1.10'",
            "4:9: 'no' is a boolean in YAML; text is wanted; quote it: 'no'",
            "5:14: '2020-01-01' is a date in YAML; text is wanted; quote it: '2020-01-01'",
            "8:11: '1:30' is a number to the base 60 in YAML; text is wanted; quote it: '1:30'",
            "10:19: 'on' is a boolean in YAML; text is wanted; quote it: 'on'",
            "10:28: 'true' is a boolean in YAML; text is wanted; quote it: 'true'",
            "10:41: nothing here; text is wanted; quote it: '~'",
            "10:44: 'brief' without 'agent'; it is what a role under agents is told",
            "10:51: '0x1F' is a special number in YAML; text is wanted; quote it: '0x1F'",
            "10:63: '010' is a special number in YAML; text is wanted; quote it: '010'",
            "11:19: '.inf' is a special number in YAML; text is wanted; quote it: '.inf'",
            "11:29: nothing here; text is wanted; leave the key out",
            "11:41: '1' is a number in YAML; text is wanted; quote it: '1'",
            "11:47: 'yes' is a boolean in YAML; text is wanted; quote it: 'yes'",
            "11:55: '1.5' is a number in YAML; text is wanted; quote it: '1.5'",
            "11:62: nothing here; text is wanted; leave the key out",
        ],
    ),
    "mappings_and_lists_in_the_wrong_place": (
        """\
version: 1
project: demo
base: [main]
hosts: [gpu]
defaults: text
gates: {tests: pytest}
waves:
  1:
    workstreams:
      a: {branch: {b: c}, paths: src/, copy: {a: b}, needs: {b: c}, stages: run, heartbeat: 30s, env: [A=b]}
      b:
""",
        [
            "3:7: found a list; text is wanted",
            "4:8: found a list; a mapping of keys is wanted",
            "5:11: 'text' is text; a mapping of keys is wanted",
            "6:16: 'pytest' is text; a mapping of keys is wanted",
            "10:19: found a mapping; text is wanted",
            "10:34: 'src/' is text; a list is wanted: [first, second]",
            "10:46: found a mapping; a list is wanted: [first, second]",
            "10:61: found a mapping; a list is wanted: [first, second]",
            "10:77: 'run' is text; a list is wanted: [first, second]",
            "10:93: '30s' is text; a mapping of keys is wanted",
            "10:103: found a list; a mapping of keys is wanted",
            "11:9: nothing here; a mapping of keys is wanted",
        ],
    ),
    "waves_as_a_list": (
        """\
version: 1
project: demo
waves: [{workstreams: {}}]
""",
        [
            "3:8: found a list; a mapping of keys is wanted",
        ],
    ),
    "version": (
        """\
version: 2
project: demo
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "1:10: version 2; this program reads version 1",
        ],
    ),
    "version_as_text": (
        """\
version: '1'
project: demo
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "1:10: '1' is text; a whole number is wanted; leave the quotes out",
        ],
    ),
    "sizes": (
        """\
version: 1
project: demo
hosts:
  local: {disk_floor: 5}
  a: {ssh: a, disk_floor: 5GB}
  b: {ssh: b, disk_floor: yes}
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "4:23: '5' is no size; a size such as 500MiB, 2GiB or 1TiB is wanted; add a unit: 5GiB",
            "5:27: '5GB' is no size; a size such as 500MiB, 2GiB or 1TiB is wanted",
            "6:27: 'yes' is a boolean in YAML; a size such as 500MiB, 2GiB or 1TiB is wanted",
        ],
    ),
    "durations": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, heartbeat: {every: 30, stale: 3 minutes}, restart: {backoff: -5s}}
      b: {branch: b, heartbeat: {every: 0s, stale: .inf}, sync: {every: 1:30}}
      c: {branch: c, stages: [{name: x, run: y, timeout: '90'}]}
      d: {branch: d, heartbeat: {every: 5m}}
""",
        [
            "6:41: '30' is no duration; a duration such as 30s, 5m, 2h or 1d is wanted; add a unit: 30s",
            "6:52: '3 minutes' is no duration; a duration such as 30s, 5m, 2h or 1d is wanted",
            "6:83: '-5s' is no duration; a duration such as 30s, 5m, 2h or 1d is wanted",
            "7:41: '0s' is no time at all; a duration such as 30s, 5m, 2h or 1d is wanted",
            "7:52: '.inf' is a special number in YAML; a duration such as 30s, 5m, 2h or 1d is wanted",
            "7:73: '1:30' is a number to the base 60 in YAML; a duration such as 30s, 5m, 2h or 1d is wanted",
            "8:58: '90' is no duration; a duration such as 30s, 5m, 2h or 1d is wanted; add a unit: 90s",
            "9:33: a worker would be stale (180s) before its next beat (300s); make 'stale' longer",
        ],
    ),
    "numbers": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, gpu: -1, ports: 101, priority: 1.5}
      b: {branch: b, gpu: '2', ports: many, restart: {limit: yes}}
      c: {branch: c, gpu: 1:30, review: 1}
""",
        [
            "6:27: -1 is out of range; a number from 0 to 1024 is wanted",
            "6:38: 101 is out of range; a number from 0 to 100 is wanted",
            "6:53: '1.5' is a number in YAML; a whole number is wanted",
            "7:27: '2' is text; a whole number is wanted; leave the quotes out",
            "7:39: 'many' is text; a whole number is wanted",
            "7:62: 'yes' is a boolean in YAML; a whole number is wanted",
            "8:27: '1:30' is a number to the base 60 in YAML; a whole number is wanted",
            "8:41: '1' is a number in YAML; true or false is wanted",
        ],
    ),
    "hosts": (
        """\
version: 1
project: demo
hosts:
  a: {}
  local: {ssh: x, root: y, slots: 2}
  b: {ssh: -oProxyCommand=x, gpus: 9999999, share: 0, slots: 0}
  c: {ssh: 'user@host:99999', gpus: [0, 0]}
  d: {ssh: user@host name, gpus: [-1]}
  'e f': {ssh: ok, jump: 'a b'}
  g: {ssh: 'user@[::1]:22', gpus: [0, 1.5]}
waves: {1: {workstreams: {w: {branch: a}}}}
""",
        [
            "4:3: the key 'ssh' is missing; only 'local' needs none",
            "5:11: 'local' is this machine and has no 'ssh'; give the host another name",
            "5:19: 'local' is this machine and has no 'root'; give the host another name",
            "6:12: '-oProxyCommand=x' is no address; user@host, user@host:port or an alias of ~/.ssh/config is wanted",
            "6:36: 9999999 is out of range; a number from 0 to 1024 is wanted",
            "6:52: 0 is out of range; a number from 1 to 1000000 is wanted",
            "6:62: 0 is out of range; a number from 1 to 1000000 is wanted",
            "7:12: 'user@host:99999' has a port that does not exist; user@host, user@host:port or an alias of ~/.ssh/config is wanted",
            "7:37: a device is listed twice",
            "8:12: 'user@host name' is no address; user@host, user@host:port or an alias of ~/.ssh/config is wanted",
            "8:34: -1 is out of range; a number from 0 to 1024 is wanted",
            "9:3: 'e f' cannot be a name; allowed: letters, digits, '.', - and _, at most 64, beginning with a letter or digit",
            "9:26: 'a b' is no address; user@host, user@host:port or an alias of ~/.ssh/config is wanted",
            "10:35: '1.5' is a number in YAML; a whole number is wanted",
        ],
    ),
    "names": (
        """\
version: 1
project: my project
tmux: {socket: a/b}
gates: {'a b': {run: x}}
waves:
  1:
    workstreams:
      Shared: {branch: a}
      a.b: {branch: b}
      -x: {branch: c}
      été: {branch: d}
      'a:b': {branch: e, stages: [{name: a/b, run: x}]}
      ok: {branch: f, env: {A-B: x, ORCHESTRATOR_PORT: '1'}}
""",
        [
            "2:10: 'my project' cannot be a project; allowed: letters, digits, - and _, at most 64, not beginning with - or _",
            "3:16: 'a/b' cannot be a name; allowed: letters, digits, '.', - and _, at most 64, beginning with a letter or digit",
            "4:9: 'a b' cannot be a name; allowed: letters, digits, '.', - and _, at most 64, beginning with a letter or digit",
            "8:7: 'Shared' cannot be a workstream; allowed: a-z, 0-9, - and _, at most 64, not beginning with - or _",
            "9:7: 'a.b' cannot be a workstream; allowed: a-z, 0-9, - and _, at most 64, not beginning with - or _",
            "10:7: '-x' cannot be a workstream; allowed: a-z, 0-9, - and _, at most 64, not beginning with - or _",
            "11:7: 'été' cannot be a workstream; allowed: a-z, 0-9, - and _, at most 64, not beginning with - or _",
            "12:7: 'a:b' cannot be a workstream; allowed: a-z, 0-9, - and _, at most 64, not beginning with - or _",
            "12:42: 'a/b' cannot be a name; allowed: letters, digits, '.', - and _, at most 64, beginning with a letter or digit",
            "13:29: 'A-B' cannot be a variable's name; allowed: letters, digits and _, not beginning with a digit",
            "13:37: 'ORCHESTRATOR_PORT' is set by the orchestrator; choose another name",
        ],
    ),
    "branches": (
        """\
version: 1
project: demo
base: -x
integration: wave
waves:
  1:
    workstreams:
      a: {branch: a b}
      b: {branch: a..b}
      c: {branch: a.lock/c}
      d: {branch: /d}
      e: {branch: e/}
      f: {branch: .f}
      g: {branch: 'g@{1}'}
      h: {branch: HEAD}
      i: {branch: 'a~1'}
      j: {branch: ''}
""",
        [
            "3:7: '-x' cannot be a branch: it begins with '-'",
            "4:14: 'wave' lacks '{wave}', which stands for the wave's number",
            "8:19: 'a b' cannot be a branch: it holds ' '",
            "9:19: 'a..b' cannot be a branch: it holds '..'",
            "10:19: 'a.lock/c' cannot be a branch: a part of it ends with '.lock'",
            "11:19: '/d' cannot be a branch: a part of it between slashes is empty",
            "12:19: 'e/' cannot be a branch: a part of it between slashes is empty",
            "13:19: '.f' cannot be a branch: a part of it begins with '.'",
            "14:19: 'g@{1}' cannot be a branch: it holds '@{'",
            "15:19: 'HEAD' cannot be a branch: it is what git calls a checkout",
            "16:19: 'a~1' cannot be a branch: it holds '~'",
            "17:19: '' cannot be a branch: it is empty",
        ],
    ),
    "integration_is_a_branch": (
        """\
version: 1
project: demo
integration: 'wave {wave}'
waves: {1: {workstreams: {a: {branch: a}}}}
""",
        [
            "3:14: 'wave 1' cannot be a branch: it holds ' '",
        ],
    ),
    "paths_leave_the_repository": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, paths: [../x, /etc, ok/, ~/x], skeleton: [a/../../b], copy: [.git/config, ''], results: ..}
      b: {branch: b, results: ./, sync: {include: [/x], to: ../y}}
""",
        [
            "6:30: the path '../x' may leave the repository by '..'; a path inside the repository is wanted",
            "6:36: the path '/etc' is not relative to the repository; a path inside the repository is wanted",
            "6:47: the path '~/x' is not relative to the repository; a path inside the repository is wanted",
            "6:64: the path 'a/../../b' may leave the repository by '..'; a path inside the repository is wanted",
            "6:83: the path '.git/config' is git's own; a path inside the repository is wanted",
            "6:96: the path '' is no path; a path inside the repository is wanted",
            "6:110: the path '..' may leave the repository by '..'; a path inside the repository is wanted",
            "7:31: the worktree itself; a directory in it is wanted, such as 'results'",
            "7:52: the path '/x' is not relative to the repository; a path inside the repository is wanted",
            "7:61: the path '../y' may leave the repository by '..'; a path inside the repository is wanted",
        ],
    ),
    "commands_are_not_empty": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, run: '', setup: ' '}
""",
        [
            "6:27: an empty command; leave the key out",
            "6:38: an empty command; leave the key out",
        ],
    ),
    "characters_no_program_can_be_given": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, run: "a\\0b", brief: "\\ud800"}
""",
        [
            "6:27: text with the character '\\x00'; no program can be given that",
            "6:35: 'brief' without 'agent'; it is what a role under agents is told",
            "6:42: text with the character '\\ud800'; no program can be given that",
        ],
    ),
    "requirements": (
        """\
version: 1
project: demo
waves:
  1:
    workstreams:
      a: {branch: a, stages: [{name: x, run: y, require: [loss << 3, loss < x, 'improving()', 0.7, 'loss < 1e999']}]}
      b: {branch: b, stages: [{name: x, run: y, require: loss}]}
""",
        [
            "6:59: 'loss << 3' is no requirement; write 'loss < 0.1' (< <= > >= == !=) or 'improving(loss)'",
            "6:70: 'loss < x' is no requirement; write 'loss < 0.1' (< <= > >= == !=) or 'improving(loss)'",
            "6:80: 'improving()' is no requirement; write 'loss < 0.1' (< <= > >= == !=) or 'improving(loss)'",
            "6:95: '0.7' is a number in YAML; text is wanted; quote it: '0.7'",
            "6:100: '1e999' is too large a number",
            "7:58: 'loss' is no requirement; write 'loss < 0.1' (< <= > >= == !=) or 'improving(loss)'",
        ],
    ),
    "addresses_are_never_repeated": (
        """\
version: 1
project: demo
waves: {1: {workstreams: {a: {branch: a}}}}
notify:
  urls: [s3cr3t, 12, "env:a b", "file:", {token: s3cr3t}, [s3cr3t], "file:~/x", "slack://${A}/s3cr3t"]
  ping: 12:30
""",
        [
            "5:10: no address that can be told; a URL of Apprise such as json://host/path, env:NAME or file:PATH is wanted",
            "5:18: found no text; a URL of Apprise such as json://host/path, env:NAME or file:PATH is wanted",
            "5:22: no variable's name behind env:; letters, digits and _ are allowed",
            "5:33: no address that can be told; a URL of Apprise such as json://host/path, env:NAME or file:PATH is wanted",
            "5:42: found no text; a URL of Apprise such as json://host/path, env:NAME or file:PATH is wanted",
            "5:59: found a list; a URL of Apprise such as json://host/path, env:NAME or file:PATH is wanted",
            "6:9: found no text; a URL of Apprise such as json://host/path, env:NAME or file:PATH is wanted",
        ],
    ),
    "when_and_what_people_are_told": (
        """\
version: 1
project: demo
waves: {1: {workstreams: {a: {branch: a}}}}
notify: {urls: env:X, on: [helt, failed], quiet: 22:00, digest: 10}
metrics: {listen: "0.0.0.0:9470"}
""",
        [
            "4:28: unknown event 'helt'; allowed: disk-full, done, failed, gates-red, held, host-back, host-lost, journal-back, journal-held, landed, rolled-back, stalled, sync-back, sync-failed, waiting-for-input, wave-ready; did you mean 'held'?",
            "4:50: '22:00' is no part of a day; hours of a day are wanted, such as '22:00-07:00'",
            "4:65: '10' is no duration; a duration such as 30s, 5m, 2h or 1d is wanted; add a unit: 10s",
            "5:19: '0.0.0.0' can be reached from other machines; listen on 127.0.0.1, or add 'public: true'",
        ],
    ),
    "hours_that_are_none": (
        """\
version: 1
project: demo
waves: {1: {workstreams: {a: {branch: a}}}}
notify: {quiet: "07:00-07:00"}
metrics: {listen: 70000}
""",
        [
            "4:17: '07:00-07:00' is no time at all, or all day; hours of a day are wanted, such as '22:00-07:00'",
            "5:19: '70000' is a number in YAML; a port such as 9470, or '127.0.0.1:9470', is wanted",
        ],
    ),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD)
def test_every_problem_has_its_line(
    complaints: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert complaints(text) == expected
