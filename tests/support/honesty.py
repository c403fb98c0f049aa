"""The corpus of fakes and honest code, and what the checks say of it: `python -m tests.support.honesty`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from orchestrator.checks.claims import Component, parse_spec
from orchestrator.checks.components import Look, component_flaws
from orchestrator.checks.redflags.check import claim_signs
from orchestrator.checks.redflags.families import SIGNS, signs_of
from orchestrator.source.cache import FactsCache
from orchestrator.source.listing import Listing, SourceFile
from orchestrator.source.reading import read_index

CORPUS = Path(__file__).parents[1] / "data" / "honesty"
FAKES = {
    "fakes.yaml": 60,
    "later_fakes.yaml": 25,
    "unseen_fakes.yaml": 100,
    "blind_fakes.yaml": 35,
    "ordinary_fakes.yaml": 100,
}
GENUINE = {
    "genuine.yaml": 60,
    "later_genuine.yaml": 25,
    "unseen_genuine.yaml": 60,
    "blind_genuine.yaml": 35,
    "ordinary_genuine.yaml": 110,
}
"""How many of them each file holds at least."""
LEAST_RECALL, MOST_FALSE_ALARMS = 0.97, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`rule` is what must find it; empty for honest code."""

    name: str
    files: Mapping[str, str]
    rule: str = ""
    claims: tuple[str, ...] = ()


def samples(name: str) -> list[Sample]:
    return [
        Sample(**{**entry, "claims": tuple(entry.get("claims", ()))})
        for entry in yaml.safe_load((CORPUS / name).read_text(encoding="utf-8"))
    ]


def listing_of(files: Mapping[str, str | bytes]) -> Listing:
    contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    ids = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    by_id = {ids[path]: content for path, content in contents.items()}
    listed = tuple(SourceFile(path=path, inner=path, id=ids[path]) for path in files)
    return Listing(files=listed, skipped=(), fetch=lambda wanted: {one: by_id[one] for one in wanted})


def found_in(sample: Sample, spec: Mapping[str, Component]) -> list[tuple[str, str]]:
    """Every rule that speaks up, with its words."""
    listing = listing_of(sample.files)
    index = read_index(listing, FactsCache(None), SIGNS)
    look = Look(index=index, skipped=(), fetch=listing.fetch)
    found = [(s.rule, s.found) for file in listing.files for s in signs_of(index, file)]
    found += [(s.rule, s.found) for s, _ in claim_signs(index, sample.claims, spec)]
    for claim in sample.claims:
        if claim in spec:
            found += [(flaw.rule, flaw.message) for flaw in component_flaws(look, spec[claim])]
    return found


def missed(fakes: Sequence[Sample]) -> list[str]:
    spec = read_spec()
    return [s.name for s in fakes if s.rule not in {rule for rule, _ in found_in(s, spec)}]


def alarmed(genuine: Sequence[Sample]) -> list[tuple[str, list[tuple[str, str]]]]:
    spec = read_spec()
    return [(s.name, found) for s in genuine if (found := found_in(s, spec))]


def read_spec() -> dict[str, Component]:
    path = CORPUS / "specs.yaml"
    return parse_spec(str(path), path.read_text(encoding="utf-8"))


def main() -> int:
    fakes = [one for name in FAKES for one in samples(name)]
    genuine = [one for name in GENUINE for one in samples(name)]
    overlooked, alarms = missed(fakes), alarmed(genuine)
    recall, rate = 1 - len(overlooked) / len(fakes), len(alarms) / len(genuine)
    for name in overlooked:
        print(f"overlooked: {name}")
    for name, found in alarms:
        print(f"false alarm: {name}: {found}")
    print(f"recall {recall:.1%} of {len(fakes)} fakes (at least {LEAST_RECALL:.0%} wanted)")
    print(f"false alarms {rate:.1%} of {len(genuine)} honest ones (at most {MOST_FALSE_ALARMS:.0%} wanted)")
    return int(recall < LEAST_RECALL or rate > MOST_FALSE_ALARMS)


if __name__ == "__main__":
    sys.exit(main())
