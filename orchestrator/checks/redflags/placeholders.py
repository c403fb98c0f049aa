"""Comments and docstrings that say themselves that the real thing is missing. Other strings do not count."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.source.comments import comments, docstrings
from orchestrator.source.facts import Sign
from orchestrator.source.parsing import Module

RULE = "redflags/placeholder"


def _any(text: str) -> str:
    return f"(?:{'|'.join(text.split())})"


_REAL = _any("real actual proper full complete production real[-\\s]world")
_WHOLE = _any(
    """
    implementation version system application app deployment scenario setting setup solution pipeline
    environment
    """
)
_THING = _any(
    """
    implementation version logic code model api call algorithm network training encoder decoder extractor
    detector tokenizer integration client inference computation data values? results? metrics? one thing
    """
)
_SHAM = _any(
    "placeholder dummy mock(?:ed)? fake stub(?:bed)? canned made[-\\s]up pretend(?:ed)? bogus simulated"
)
_ANSWER = _any(
    """
    implementation for\\snow until here logic version results? responses? outputs? predictions? values?\\sfor
    values?\\suntil values?\\sreturned embeddings? features? metrics? encoder decoder model tokenizer detector
    extractor inference training code
    """
)
_FILLER = _any(
    """
    this it we here just only simply currently for\\snow temporary temporarily returns? return uses? using
    is are a an some very class method function module
    """
)
_DO = _any("implement write add use call load plug\\sin hook\\sup fill\\sin finish")
_SMALL = _any("the a an with in this it me our later properly body here")
_WOULD = "(?:'d| would| should| could| must)"
_PRETENDED = _any(
    """
    api llm gpt-?\\d? model training inference responses? outputs? predictions? detections? work encoding
    decoding processing embeddings?
    """
)
_ALONE = _any(
    """
    not\\s(?:yet\\s)?implemented(?:\\syet)? to\\sbe\\simplemented unimplemented
    implement\\s(?:me|this|later|here)
    (?:the\\s)?(?:actual\\s|real\\s)?(?:implementation|logic|code)\\s(?:goes|comes)\\shere your\\scode\\shere
    coming\\ssoon simplified fake mock dummy stub placeholder
    """
)
_LEAD = r"^[\s#*.\"'-]*"
_START = rf"{_LEAD}(?:{_FILLER}[\s:,]+)*"

_PHRASES = (
    rf"\b(?:todo|fixme|xxx|hack)\b\W{{0,4}}(?:\([^)]*\)\W*)?{_DO}(?:ing)?\b(?: {_SMALL})*"
    rf"(?: {_REAL}\b|\W*$| (?:{_THING}|encode|decode|forward|predict)\b\W*$)",
    rf"\bin (?:a|an|the|any) {_REAL}(?:-\w+)? {_WHOLE}\b(?!,? you (?:should|may|can|must|will)\b)",
    rf"\bin (?:a|an|the|any) {_REAL} {_THING},? (?:we|you|this|it|one|that){_WOULD}\b",
    rf"\bin (?:production|reality),? (?:we|you|this|it|one)(?:{_WOULD}| will)\b",
    r"\bfor (?:demo|demonstration)s?(?: purposes?)?(?: only)?\W*$",
    r"\bfor (?:demo|demonstration)s?(?: purposes?| only)\b",
    r"\b(?:just|only) (?:for|as) a (?:demo|demonstration|placeholder|mock|stand-?in)\b",
    r"^\W*(?:(?:todo|fixme|note)\W+)?(?:should be |to be |must be )?replaced? (?:this|it|me)?\s?"
    rf"(?:code |body |line |later )?(?:with|by) (?:a |an |the |your )?{_REAL} (?:{_THING}|{_WHOLE})\b",
    r"\bwould (?:normally|usually|actually|really|typically) (?:call|load|train|query|invoke|implement)\b",
    rf"\b{_REAL} (?:\w+ ){{1,2}}(?:will|shall|is to|are to) be "
    r"(?:added|implemented|written|filled in|plugged in)\b",
    r"\b(?:is|as|only|just) an? (?:\w+ )?mock-?up\b",
    rf"{_START}{_SHAM} {_ANSWER}\b(?! (?:for|of|on) (?:meta|abstract|symbolic|fake) )",
    r"\bthis (?:is|class is|method is|function is|module is) (?:just |only |currently |merely )?"
    r"an? (?:\w+ )?placeholder\b",
    r"\bplaceholder (?:implementation|until|for now)\b",
    r"\bplaceholder for (?:the )?(?:real|actual) (?:implementation|model|code|logic|api)\b",
    rf"{_START}(?:over)?-?(?:simplified|simplistic|toy|stripped[- ]down) "
    r"(?:version|implementation|stand-?in|variant|stub)\b",
    r"\bsimplified (?:version|implementation) (?:for (?:now|demo)|only|that (?:just|only|returns))\b",
    rf"{_LEAD}{_ALONE}[\s.!…]*$",
    r"^\W*(?:simulat|pretend|mimic|fak)(?:e|es|s|ing)?\b (?:to |that |a |an |the |some )*"
    rf"(?:\w+ )?{_PRETENDED}\b",
    r"^\W*pretend(?:s|ing)? to (?!be\b|have\b)\w+",
)
_ANY = re.compile("|".join(f"(?:{phrase})" for phrase in _PHRASES), re.IGNORECASE)
_STEMS = _any(
    """
    todo fixme xxx hack \\breal actual proper production demo placeholder dummy mock fak[ei] stub canned
    made.up pretend bogus simulat simplif simplistic \\btoy stripped implement goes\\shere code\\shere
    coming\\ssoon normally usually typically mimic in\\s(?:a|the)\\sfull in\\s(?:a|the)\\scomplete
    """
)
_LIKELY = re.compile(_STEMS, re.IGNORECASE)
_LIKELY_LOWERED = re.compile(_STEMS)
"""Of plain text in small letters, five times as fast."""

_TYPES_ONLY = re.compile(r"#\s*(type:|noqa|pragma|pylint|mypy|fmt:|ruff)")


def signs(module: Module) -> Iterator[Sign]:
    for comment in comments(module, _admits):
        text = _said(comment.text)
        yield Sign(RULE, comment.line, text, f"the comment says so itself: {shortened(text)}")
    for owner, line, text in docstrings(module):
        found = next(((n, part) for n, part in enumerate(_sentences(text)) if says_so(part[1])), None)
        if found is not None:
            (offset, sentence) = found[1]
            name = getattr(owner, "name", "")
            yield Sign(
                RULE,
                line + offset,
                f"{name}: {sentence}",
                f"the docstring says so itself: {shortened(sentence)}",
            )


def _admits(comment: str) -> bool:
    text = _said(comment)
    return says_so(text) and not _TYPES_ONLY.match(comment) and "orchestrator: allow" not in text


def _said(comment: str) -> str:
    return comment.lstrip("#").strip()


def says_so(text: str) -> bool:
    return len(text) < 1000 and _is_likely(text) and _ANY.search(text) is not None


def _is_likely(text: str) -> bool:
    if text.isascii():
        return _LIKELY_LOWERED.search(text.lower()) is not None
    return _LIKELY.search(text) is not None


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    """The lines and sentences of a docstring, each with its line; doctests and code samples are none."""
    for offset, line in enumerate(text.splitlines()):
        if not line.lstrip().startswith((">>>", "...", "* `", ":", "|")):
            for sentence in re.split(r"(?<=[.!?;])\s+", line.strip()):
                if sentence:
                    yield offset, sentence


def shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}…"
