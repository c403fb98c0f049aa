"""Git hooks beside those that are there, and what they look at. Imports are kept few: people wait."""
