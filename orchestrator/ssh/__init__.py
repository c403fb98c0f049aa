"""The one SSH stack: agents, git, rsync and attach reach a host through it."""

from orchestrator.ssh.agent import open_agent
from orchestrator.ssh.connection import SshConnection, connect
from orchestrator.ssh.problems import HostKeyChanged, HostKeyUnknown, LoginRefused, PythonUnusable
from orchestrator.ssh.rsh import git_ssh_environment, rsh, rsh_command

__all__ = [
    "HostKeyChanged",
    "HostKeyUnknown",
    "LoginRefused",
    "PythonUnusable",
    "SshConnection",
    "connect",
    "git_ssh_environment",
    "open_agent",
    "rsh",
    "rsh_command",
]
