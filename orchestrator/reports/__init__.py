"""What a wave was, for people: the files its candidate carries, its report, its measures.

Documents follow from commits, plan and verdicts alone, so that a candidate built twice is one candidate.
"""

from __future__ import annotations

from orchestrator.reports.documents import Documents, commit_subject, documents, names_verdicts
from orchestrator.reports.subject import Subject, Unusable, Verdict, subject_of

__all__ = [
    "Documents",
    "Subject",
    "Unusable",
    "Verdict",
    "commit_subject",
    "documents",
    "names_verdicts",
    "subject_of",
]
