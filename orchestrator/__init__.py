"""Runs parallel branches in worktrees and tmux sessions, and lands them in waves."""

__version__ = "0.1.0"
