"""Our merging against git's own, replayed over generated histories; `python -m proofs`."""
