"""The host's side: everything that touches git, tmux and files runs here, beside them.

It holds no state of its own: any request may be repeated, by this agent or the one that follows it.
Imports the standard library, libtmux and GitPython only: it travels as a zip application.
"""
