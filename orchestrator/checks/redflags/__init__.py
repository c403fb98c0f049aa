"""`redflags`: signs that a branch only looks like work. Those it brings itself count, not what base had."""
