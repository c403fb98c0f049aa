from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from orchestrator.plan_file.names import address_fault, branch_fault, path_fault

GOOD = [
    r"main",
    r"a/b",
    r"a.b",
    r"a-b",
    r"été",
    r"a@b",
    r"@a",
    r"a@",
    r"{a}",
    r"a{1}",
    r"a/@",
    r"x/HEAD",
    r"a.lockx",
    r"lock",
]
BAD = [
    r"@",
    r"HEAD",
    r"-a",
    r"a..b",
    r"a~",
    r"a^",
    r"a:b",
    r"a?",
    r"a*",
    r"a[",
    r"a\b",
    r"/a",
    r"a/",
    r"a//b",
    r".a",
    r"a/.b",
    r"a.",
    r"a.lock",
    r"a.lock/b",
    r"a@{b",
]
BRANCHES = [*GOOD, *BAD, "", "a b", "a\tb", "a\x7fb", "a\nb"]


@pytest.mark.skipif(not shutil.which("git"), reason="compares with git's own answer")
@pytest.mark.parametrize("name", BRANCHES)
def test_git_agrees_about_branches(name: str) -> None:
    answer = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False, timeout=30)
    refused_as_branch = name in {"HEAD", "@"} or name.startswith("-")
    assert (branch_fault(name) is None) == (answer.returncode == 0 and not refused_as_branch)


@pytest.mark.parametrize("text", ["a", "a/", "a/b.c", "..a", "a/..b/c", ".env", ".", "é", "a b"])
def test_paths_inside_the_repository(text: str) -> None:
    assert path_fault(text) is None


@pytest.mark.parametrize(
    "text", ["", " ", "/", "/a", "//a", "~", "~/a", "..", "a/..", "a/../b", ".git", "a/.GIT/b", "a\nb"]
)
def test_paths_outside_the_repository(text: str) -> None:
    assert path_fault(text)


@pytest.mark.parametrize(
    "text", ["host", "me@host", "me@host:22", "10.0.0.1", "a-b.example.org", "me@[::1]:22", "host_1"]
)
def test_addresses(text: str) -> None:
    assert address_fault(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "-host", "me@-host", "-oProxyCommand=x", "a b", "host:0", "host:99999", "host:ssh", "@host", "a;b"],
)
def test_what_is_no_address(text: str) -> None:
    assert address_fault(text)


Fault = Callable[[str], "str | None"]


@pytest.mark.parametrize("fault", [branch_fault, path_fault])
def test_names_that_no_file_system_takes(fault: Fault) -> None:
    assert fault("a/" + "é" * 101)
    assert fault("a/" + "é" * 100) is None
