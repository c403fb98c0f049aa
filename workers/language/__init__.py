"""From a trajectory to its equation and a description, by a language model that is never trusted."""
