"""A measurement of one language model: asked, scored, counted, and written down with its label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.evaluation.fits import fit
from workers.language.answers import Answer, BadAnswer, Mode, read_answer
from workers.language.backends import Label, LanguageModel, Stop
from workers.language.cache import AnswerCache
from workers.language.prompts import prompt
from workers.language.scoring import (
    Score,
    Subject,
    score_answer,
    score_least_squares,
    summary,
    written,
    wrong,
)
from workers.runtime.atomic import replace_json

METRICS = "equation_metrics.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """In dollars for a million tokens; nothing is assumed of a model whose price is not given."""

    input: float = 0.0
    output: float = 0.0

    def of(self, input_tokens: int, output_tokens: int) -> float:
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How all subjects are put to the model."""

    mode: Mode
    points: str
    shown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    subject: Subject
    answer: Answer | None
    score: Score
    input_tokens: int
    output_tokens: int


def measure(
    model: LanguageModel,
    subjects: Sequence[Subject],
    question: Question,
    cache: AnswerCache,
    after_each: Callable[[int], None],
) -> list[Reply]:
    """Raises ModelUnavailable: what was answered before is in the cache."""
    replies = []
    for number, subject in enumerate(subjects, 1):
        replies.append(_ask(model, subject, question, cache))
        after_each(number)
    return replies


def _ask(model: LanguageModel, subject: Subject, question: Question, cache: AnswerCache) -> Reply:
    completion = cache.complete(model, prompt(subject, question.mode, question.shown))
    answer: Answer | None = None
    if completion.stop is Stop.REFUSED:
        score = wrong("refused")
    else:
        try:
            answer = read_answer(completion.text, question.mode)
            score = score_answer(answer, subject)
        except BadAnswer as error:
            cut = " (cut off)" if completion.stop is Stop.LENGTH else ""
            score = wrong(f"{error}{cut}")
    return Reply(
        subject=subject,
        answer=answer,
        score=score,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
    )


def document(
    model: LanguageModel, replies: Sequence[Reply], question: Question, price: Price, cached: int
) -> Mapping[str, Any]:
    """Flat figures first, then labels and samples; the baseline stands beside them."""
    tokens = sum(one.input_tokens for one in replies), sum(one.output_tokens for one in replies)
    baseline = summary([score_least_squares(one.subject)[1] for one in replies])
    return {
        "v": 1,
        **summary([one.score for one in replies]),
        **{f"least_squares_{name}": value for name, value in baseline.items() if name != "samples"},
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "cost_usd": price.of(*tokens),
        "from_cache": cached,
        "label": str(model.label),
        "row": model.row,
        "model": model.identity,
        "mode": str(question.mode),
        "points": question.points,
        "replies": [_sample(one) for one in replies],
    }


def _sample(reply: Reply) -> Mapping[str, Any]:
    subject, answer = reply.subject, reply.answer
    said: dict[str, Any] = {"sample": subject.number, "family": subject.family, "hit": reply.score.hit}
    if reply.score.reason:
        said["reason"] = reply.score.reason
    if answer:
        said |= {"said_family": answer.family, "slots": dict(answer.slots), "description": answer.text}
        said["equation"] = [one.text for one in answer.expressions] or list(
            written(fit(answer.family, subject.points_t, subject.points)).values()
        )
    return said


def write_not_run(results: Path, model: str, reason: str) -> None:
    replace_json(
        results / METRICS,
        {"v": 1, "label": str(Label.NOT_RUN), "model": model, "row": model, "reason": reason},
    )
