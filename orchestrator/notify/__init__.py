"""Tells people: messages through Apprise, and a dead man's ping. Nothing here delays the daemon's loop."""
