"""Results brought here from the hosts: pulled, proved, and put where nothing can lead them elsewhere.

Whatever a host says is believed only as far as it can do no harm: names, sizes, links, lists.
"""

from orchestrator.results.checking import FileCheck, check_results
from orchestrator.results.lanes import Lanes
from orchestrator.results.outcome import Outcome, launched_names, pull_and_tell
from orchestrator.results.watch import ResultsWatch, known_pulls, pull_all

__all__ = [
    "FileCheck",
    "Lanes",
    "Outcome",
    "ResultsWatch",
    "check_results",
    "known_pulls",
    "launched_names",
    "pull_all",
    "pull_and_tell",
]
