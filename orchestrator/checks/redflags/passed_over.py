"""What a branch brings and the checks do not read: said with the reason, so that nothing hides there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from orchestrator.checks.trees import Tree

BY_ITS_WORDS = "says itself that it is generated"


def passed_over(tree: Tree, changed: Collection[str]) -> Iterator[tuple[str, str]]:
    """The first path of each reason, and the reason in words."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in tree.listing.skipped:
        if one.path in changed:
            found[one.reason].append(one.path)
    for file in tree.listing.files:
        if file.path in changed and tree.index.facts(file).is_generated:
            found[BY_ITS_WORDS].append(file.path)
    for reason, paths in found.items():
        more = f", and so {len(paths) - 1} more" if len(paths) > 1 else ""
        yield paths[0], f"{reason}{more}"
