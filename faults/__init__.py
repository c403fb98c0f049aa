"""What breaks, done to the real product on purpose; see `python -m faults --help`."""
