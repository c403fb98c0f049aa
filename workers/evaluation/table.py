"""The figures of an evaluation for people: nothing stands without what it compares to."""

from collections.abc import Mapping
from dataclasses import dataclass

from workers.data.trajectories import FAMILIES
from workers.evaluation.baselines import ORACLE_NOISE, HorizonErrors, Oracle
from workers.evaluation.metrics import Evaluation, PositionErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    steps: tuple[int, ...]  # clip steps ahead: the forecast's, then the prediction's
    baselines: Mapping[str, Mapping[int, HorizonErrors]]
    oracle: Oracle
    single_frame_acc: float


def evaluation_table(
    name: str, evaluation: Evaluation, reference: Reference, figures: Mapping[str, float], label: str
) -> str:
    """Return Markdown; `label` is that of the CLIP text model."""
    samples = len(evaluation.samples.hit)
    lines = [
        f"# {name}: {samples} clips",
        "",
        f"Accuracy {evaluation.classification_acc:.4f} (one frame alone {reference.single_frame_acc:.4f}, "
        f"least squares {reference.oracle.classification_acc:.4f}, guessing 0.2500); "
        f"calibration error {evaluation.calibration_error:.4f}; "
        f"{figures['model_parameters']:,.0f} parameters, {figures['model_size_mb']:.1f} MiB; "
        f"trained {figures['train_seconds']:.0f} s; peak memory {figures['peak_memory_mb']:.0f} MiB.",
        "",
        *_alignment(evaluation, label),
        "Position errors in world units, per axis. Skill: 1 is exact, 0 as good as constant velocity. Least",
        f"squares is given the true observed points with noise of {ORACLE_NOISE:g}, of "
        f"{reference.oracle.samples} clips.",
        "",
        "| step | MSE | MAE | RMSE | skill | mean | last position | constant velocity | least squares |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    found = [*evaluation.forecast, evaluation.prediction]
    lines += [_row(steps, one, reference) for steps, one in zip(reference.steps, found, strict=True)]
    return "\n".join([*lines, "", *_confusion(evaluation)]) + "\n"


def _alignment(evaluation: Evaluation, label: str) -> list[str]:
    found = evaluation.alignment
    if found is None:
        return []
    return [
        f"Alignment with descriptions (text model: {label}): retrieval {found.retrieval_acc:.4f}, of "
        f"wordings that were not learned {found.unseen_wording_acc:.4f} (guessing 0.2500); "
        f"cosine {found.cosine:.4f}, with other families' descriptions {found.other_cosine:.4f}.",
        "",
    ]


def _row(steps: int, found: PositionErrors, reference: Reference) -> str:
    beside = [errors[steps].mse for errors in reference.baselines.values()]
    skill = 1 - found.mse / reference.baselines["constant_velocity"][steps].mse
    values = [found.mse, found.mae, found.rmse, skill, *beside, reference.oracle.errors[steps].mse]
    return f"| t+{steps} | " + " | ".join(f"{value:.4f}" for value in values) + " |"


def _confusion(evaluation: Evaluation) -> list[str]:
    rows = [
        f"| {family} | " + " | ".join(map(str, row)) + " |"
        for family, row in zip(FAMILIES, evaluation.confusion, strict=True)
    ]
    return ["| true \\ predicted | " + " | ".join(FAMILIES) + " |", "|---" * 5 + "|", *rows]
