"""The comparison as Markdown. Every branch has its row; what was not measured says so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workers.comparison.evidence import Branch, Run, is_improving
from workers.comparison.verdict import CRITERIA, Verdict, interval

UNKNOWN = "not measured"
LANGUAGE_ROWS = ("GPT-4", "Mistral-7B", "Phi-2")
VALIDATION_RULES: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
    ("accuracy > 0.70", "classification_acc", lambda value: value > 0.70),
    ("MSE < 0.1", "prediction_mse", lambda value: value < 0.1),
    ("training < 2 h", "train_seconds", lambda value: value < 7200),
)
_SHOWN_EQUATIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    title: str
    metric: str
    form: str
    scale: float = 1.0


COLUMNS = (
    Column(title="accuracy", metric="classification_acc", form=".4f"),
    Column(title="calibration error", metric="calibration_error", form=".4f"),
    Column(title="MSE t+5", metric="prediction_mse", form=".4f"),
    Column(title="skill", metric="prediction_skill", form=".3f"),
    Column(title="forecast MAE", metric="forecast_mae", form=".4f"),
    Column(title="forecast RMSE", metric="forecast_rmse", form=".4f"),
    Column(title="parameters", metric="model_parameters", form=",.0f"),
    Column(title="size, MiB", metric="model_size_mb", form=".1f"),
    Column(title="training, s", metric="train_seconds", form=".0f"),
    Column(title="peak memory, MiB", metric="peak_memory_mb", form=".0f"),
)
BASELINES = (
    ("guessing and the mean", None, "baseline_mean_mse"),
    ("one frame; last position", "single_frame_acc", "baseline_last_position_mse"),
    ("constant velocity", None, "baseline_constant_velocity_mse"),
    ("least squares", "oracle_classification_acc", "oracle_mse"),
)


def comparison_page(title: str, branches: Sequence[Branch], verdict: Verdict) -> str:
    sections = [
        [f"# {title}", ""],
        _winner(verdict),
        _table(branches),
        _baselines(branches),
        _language(branches),
        *(_details(branch) for branch in branches),
    ]
    return "\n".join(line for section in sections for line in section).rstrip() + "\n"


def validation_page(branches: Sequence[Branch]) -> str:
    """The decision table after the first stage."""
    titles = [rule[0] for rule in VALIDATION_RULES]
    lines = [
        "# Validation",
        "",
        _row(["branch", *titles, "loss still improving", "goes on"]),
        _rule(len(titles) + 3),
    ]
    for branch in branches:
        cells, holds = [], []
        for _, metric, rule in VALIDATION_RULES:
            value = branch.mean(metric)
            holds.append(value is not None and rule(value))
            cells.append(UNKNOWN if value is None else f"{value:.4g} {'yes' if holds[-1] else '**no**'}")
        improving = [is_improving(run.history.get("total_loss", ())) for run in branch.runs]
        holds.append(bool(improving) and all(improving))
        cells.append("yes" if holds[-1] else "**no**" if improving and False in improving else UNKNOWN)
        lines.append(_row([_plain(branch.name), *cells, "yes" if all(holds) else "**no**"]))
    return "\n".join([*lines, "", *_table(branches)]).rstrip() + "\n"


def _winner(verdict: Verdict) -> list[str]:
    lines = [f"**Winner: {_plain(verdict.winner or 'none')}** ({_plain(verdict.reason)}).", ""]
    if not verdict.comparisons:
        return lines
    lines += [
        "Accuracy decides, and the error at t+5 where accuracy does not. The lead of the best over another",
        "is bootstrapped over runs and clips; an interval with zero in it is a tie.",
        "",
        _row(["by", "best", "other", "lead", "interval", "same clips"]),
        _rule(6),
    ]
    for one in verdict.comparisons:
        where = f"{one.lead.low:.4f} to {one.lead.high:.4f}"
        same = "yes" if one.paired else "no"
        lines.append(
            _row([one.criterion, _plain(one.best), _plain(one.other), f"{one.lead.mean:.4f}", where, same])
        )
    return [*lines, ""]


def _table(branches: Sequence[Branch]) -> list[str]:
    lines = [
        "## Figures",
        "",
        "Means over a branch's runs, in brackets the bootstrap's 95 %. Lengths in world units; skill: 1 is",
        "exact, 0 as good as constant velocity.",
        "",
        _row(["branch", "runs", *(column.title for column in COLUMNS)]),
        _rule(len(COLUMNS) + 2),
    ]
    for branch in branches:
        if branch.problem:
            lines.append(_row([_plain(branch.name), "0", _plain(branch.problem), *[""] * (len(COLUMNS) - 1)]))
            continue
        cells = [_cell(branch, column) for column in COLUMNS]
        lines.append(_row([_plain(branch.name), str(len(branch.runs)), *cells]))
    return [*lines, ""]


def _cell(branch: Branch, column: Column) -> str:
    value = branch.mean(column.metric)
    if value is None:
        return UNKNOWN
    text = f"{value * column.scale:{column.form}}"
    criterion = {"classification_acc": CRITERIA[0], "prediction_mse": CRITERIA[1]}.get(column.metric)
    found = interval(branch, criterion) if criterion else None
    return f"{text} [{found.low:{column.form}}, {found.high:{column.form}}]" if found else text


def _baselines(branches: Sequence[Branch]) -> list[str]:
    """From the first branch that has each; all saw clips of the same generator."""

    def first(metric: str | None) -> str:
        values = (branch.mean(metric) for branch in branches if metric)
        value = next((value for value in values if value is not None), None)
        return "" if value is None else f"{value:.4f}"

    rows = [(name, first(acc), first(mse)) for name, acc, mse in BASELINES]
    if not any(acc or mse for _, acc, mse in rows):
        return []
    head = ["## What needs no learning", "", _row(["baseline", "accuracy", "MSE t+5"]), _rule(3)]
    return [*head, *(_row(list(row)) for row in rows), ""]


def _language(branches: Sequence[Branch]) -> list[str]:
    """Only a figure that the model itself earned may stand in its row."""
    found = [(branch, run.equations) for branch in branches for run in branch.runs if run.equations]
    lines = [
        "## Equations",
        "",
        "Equation accuracy is the share of all samples whose equation stays within 5 % of the path's spread",
        "where it was observed, and within 10 % over the six frames after.",
        "",
        _row(["model", "label", "branch", "equation accuracy", "least squares", "mode, points", "samples"]),
        _rule(7),
    ]
    live = {str(one.get("row")) for _, one in found if one.get("label") == "live"}
    lines += [_row([name, "not run", *[""] * 5]) for name in LANGUAGE_ROWS if name not in live]
    for branch, one in found:
        label, row = str(one.get("label")), str(one.get("row"))
        if label == "not_run" or (row in LANGUAGE_ROWS and label != "live"):
            continue
        question = f"{one.get('mode')}, {one.get('points')}"
        figures = [_number(one.get(name)) for name in ("equation_acc", "least_squares_equation_acc")]
        samples = _number(one.get("samples"), ".0f")
        lines.append(
            _row([_plain(row), _plain(label), _plain(branch.name), *figures, _plain(question), samples])
        )
    return [*lines, ""]


def _details(branch: Branch) -> list[str]:
    lines = [f"## {_plain(branch.name)}", ""]
    if branch.problem:
        return [*lines, f"{_plain(branch.problem)}.", ""]
    for run in branch.runs:
        lines += [*_confusion(run), *_equations(run)]
    lines += [f"- [{_plain(path)}](<{_plain(path)}>)" for path in branch.pictures]
    lines += [f"- {_plain(path)} could not be read" for path in branch.damaged]
    return [*lines, ""]


def _confusion(run: Run) -> list[str]:
    if not run.confusion:
        return []
    classes, rows = run.confusion
    head = [_row(["true \\ predicted", *map(_plain, classes)]), _rule(len(classes) + 1)]
    body = [_row([_plain(name), *map(str, row)]) for name, row in zip(classes, rows, strict=True)]
    return [*head, *body, ""]


def _equations(run: Run) -> list[str]:
    replies = (run.equations or {}).get("replies")
    if not isinstance(replies, list) or not replies:
        return []
    label = _plain(str((run.equations or {}).get("label")))
    lines = [f"Equations ({label}):", ""]
    for one in [one for one in replies if isinstance(one, dict)][:_SHOWN_EQUATIONS]:
        mark = "hit" if one.get("hit") is True else "miss"
        parts = one.get("equation")
        equation = ", ".join(map(str, parts)) if isinstance(parts, list) else "none"
        said = f" {_plain(str(one.get('description') or ''))}"
        lines.append(f"- {_plain(str(one.get('family')))}, {mark}: `{_plain(equation)}`{said}".rstrip())
    return [*lines, ""]


def _number(value: object, form: str = ".3f") -> str:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:{form}}" if plain else UNKNOWN


def _plain(text: str) -> str:
    """Keep a name or a model's words from being Markdown, HTML or another row."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:400])
    for letter, instead in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("|", "&#124;"),
        ("`", "'"),
        ("[", "&#91;"),
        ("]", "&#93;"),
    ):
        shown = shown.replace(letter, instead)
    return " ".join(shown.split())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(count: int) -> str:
    return "|" + "---|" * count
