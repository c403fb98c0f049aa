"""What a language model is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from workers.data.trajectories import FAMILIES
from workers.language.answers import SLOTS, Mode
from workers.language.scoring import Subject


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


_TASK = {
    Mode.DIRECT: (
        '"x", "y" and "z": expressions in t, made of numbers, t, pi, + - * / **, sin, cos, sqrt and exp, '
        "with every constant filled in"
    ),
    Mode.SKELETON_FIT: "no equation: its constants are fitted to the points by the family you name",
}
_SLOTS = "; ".join(f'"{name}": one of {", ".join(values)}' for name, values in SLOTS.items())


def prompt(subject: Subject, mode: Mode, shown: int) -> Sequence[Message]:
    """Show at most `shown` of the subject's points, evenly chosen."""
    system = (
        "You are given positions of a ball over time t in a camera's frame (x right, y down, z forward). "
        f"Its path is one of: {', '.join(FAMILIES)}. Answer with one JSON object and nothing else: "
        f'"family"; {_TASK[mode]}; "description": an object with {_SLOTS} (as the camera sees it), '
        'and "text": one sentence.'
    )
    return (Message("system", system), Message("user", told(subject, shown)))


def told(subject: Subject, shown: int) -> str:
    count = len(subject.points)
    kept = sorted({round(place * (count - 1) / max(1, shown - 1)) for place in range(min(shown, count))})
    rows = "\n".join(
        f"{subject.points_t[row]:.3f} " + " ".join(f"{value:.3f}" for value in subject.points[row])
        for row in kept
    )
    hint = f"class: {subject.hint}\n" if subject.hint else ""
    return f"{hint}t x y z\n{rows}"
