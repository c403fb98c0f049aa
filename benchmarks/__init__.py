"""How fast it is, against what one would type instead: `python -m benchmarks`. Never part of the tests."""
