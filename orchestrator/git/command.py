"""How git is run: GitPython's executor, a scrubbed environment, deadlines, errors with stderr's end."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.errors import CommandFailed

TIMEOUT_S = 600.0  # a checkout of a large tree on a slow disk; nothing here waits for people
STDERR_LINES = 20

_SETTINGS = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),  # runs a hook of its own
    *("-c", "advice.detachedHead=false"),
    *("-c", "gc.auto=0"),
    *("-c", "log.showSignature=false"),  # puts gpg's words between those asked for
    *("-c", "i18n.logOutputEncoding=UTF-8"),
    *("-c", "submodule.recurse=false"),
)
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_MERGE_AUTOEDIT": "no",
    "GIT_PAGER": "cat",
}
_KEPT = re.compile(
    r"GIT_(CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)|SSH.*|SSL_.*|ASKPASS|EXEC_PATH|PYTHON_.*|(AUTHOR|COMMITTER)_.*"
    r"|TERMINAL_PROMPT|EDITOR|OPTIONAL_LOCKS|MERGE_AUTOEDIT|PAGER)$"
)
_PASSWORD = re.compile(r"(://[^/@\s:]*):[^/@\s]*@")


_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Output:
    code: int
    stdout: str
    stderr: str

    def fields(self) -> list[str]:
        """The NUL-terminated fields of a `-z` answer."""
        return self.stdout.split("\0")[:-1]


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one directory.

    `settings` are `name=value` for `-c`. `pass_fds` stay open in git: a lock held through one of them
    outlives this process for as long as git runs.
    """

    directory: str | Path
    settings: tuple[str, ...] = ()
    pass_fds: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        ok: Sequence[int] = (0,),
        timeout_s: float = TIMEOUT_S,
    ) -> Output:
        """Run `git ARGUMENTS`; blocks for at most `timeout_s` seconds.

        Raises:
            CommandFailed: git is missing, took too long, or exited with a code not in `ok`.
        """
        with _as_file(stdin) as istream:
            output = self._execute(arguments, istream, timeout_s)
        if output.code not in ok:
            raise self._failure(arguments, output)
        return output

    def text(self, *arguments: str, **options: Any) -> str:
        """Standard output without its last line end."""
        return self.run(*arguments, **options).stdout.removesuffix("\n")

    @property
    def literal(self) -> Git:
        """The same, where a path means itself: `:` at its beginning and `*` are letters like others."""
        return replace(self, environment={**self.environment, "GIT_LITERAL_PATHSPECS": "1"})

    def _execute(self, arguments: Sequence[str], istream: BinaryIO | None, timeout_s: float) -> Output:
        executor = _executor()  # before anything else of GitPython is imported
        from git.exc import GitCommandNotFound

        try:
            code, stdout, stderr = executor.execute(
                [*_scrub(self.environment), "git", "-C", str(self.directory), *self._settings(), *arguments],
                istream=istream,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=timeout_s,
                env={**_ENVIRONMENT, **self.environment},
                pass_fds=self.pass_fds,
            )
        except GitCommandNotFound as error:
            raise CommandFailed("git is not installed", "install git 2.38 or later") from error
        except OSError as error:
            raise CommandFailed(f"git {_subject(arguments)} could not run: {error.strerror}") from error
        return Output(code, stdout.decode("utf-8", "surrogateescape"), stderr)

    def _settings(self) -> list[str]:
        extra = [part for setting in self.settings for part in ("-c", setting)]
        return [*_SETTINGS, *extra]

    def _failure(self, arguments: Sequence[str], output: Output) -> CommandFailed:
        lines = _PASSWORD.sub(r"\1:…@", output.stderr).strip().splitlines()[-STDERR_LINES:]
        reason = f": {lines[-1]}" if lines else f" with status {output.code}"
        return CommandFailed(
            f"git {_subject(arguments)} failed in {self.directory}{reason}", "\n".join(lines) or None
        )


def _subject(arguments: Sequence[str]) -> str:
    return " ".join(arguments[:2] if arguments[0] == "worktree" else arguments[:1])


@cache
def _executor() -> Any:
    """GitPython's runner of commands, without the rest of its package.

    All of it takes 20 ms more to load, runs `git version` twice at import and raises where git is absent.
    """
    with _loading:
        package = find_spec("git")
        assert package is not None
        sys.modules.setdefault("git", module_from_spec(package))
        from git.cmd import Git as Executor

        # Whoever imports the package itself gets the whole of it; what was loaded here stays its part.
        if not hasattr(sys.modules["git"], "Git"):
            del sys.modules["git"]
    return Executor()


def _scrub(own: Collection[str]) -> list[str]:
    """`env -u …` for the `GIT_*` variables a hook leaves behind; GitPython can add but not remove.

    `own` are set on purpose: the hook's index must not come back in place of ours.
    """
    leaked = [name for name in leaked_variables() if name not in own]
    return ["env", *(part for name in leaked for part in ("-u", name))] if leaked else []


def leaked_variables() -> list[str]:
    """The `GIT_*` variables of this process that would point git elsewhere."""
    return [name for name in os.environ if name.startswith("GIT_") and not _KEPT.match(name)]


@contextmanager
def _as_file(text: str | None) -> Iterator[BinaryIO | None]:
    if text is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.seek(0)
        yield file
