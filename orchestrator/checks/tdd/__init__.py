"""`tdd`: tests that fail without the branch and pass with it, seen by running them."""
