"""The command line: prints what others know, and asks the daemon. One module per command group.

Nothing heavy is imported before the command that needs it runs.
"""
