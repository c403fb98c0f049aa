"""Compares what branches reached. Standard library only: a repository needs no torch to be compared."""
