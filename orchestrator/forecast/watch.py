"""The forecast kept fresh while people work: what is new in it becomes a fact."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from orchestrator.core import facts as f
from orchestrator.core.facts import Fact
from orchestrator.core.state import Foreseen, Idle, Merged, State
from orchestrator.desk import Desk
from orchestrator.errors import OrchestratorError
from orchestrator.forecast.branches import Reach
from orchestrator.forecast.making import make_forecast
from orchestrator.forecast.model import Forecast

EVERY_S = 3.0
PAUSE_SHARE = 30.0
"""A look is followed by a pause of so many times its own length: `git status` has its price."""

PROCESSOR_SHARE = 100.0
"""And of so many times the processor time that it took, git's included: that is a hundredth of a core."""

FILES_NAMED = 20

log = structlog.get_logger(__name__)


def pause_after(took_s: float, processor_s: float) -> float:
    """How long to leave disk and processor alone after a look that took so much of them."""
    return max(EVERY_S, PAUSE_SHARE * took_s, PROCESSOR_SHARE * processor_s)


def _processor_s() -> float:
    """What this process and the commands it ran have used so far."""
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + commands.ru_utime + commands.ru_stime


class ForecastWatch:
    """Level-triggered: a look writes down what the journal lacks, so that one that fails costs time only."""

    def __init__(
        self, desk: Callable[[], Desk], reach: Reach, pause: Callable[[float, float], float] = pause_after
    ) -> None:
        self._desk = desk
        self._reach = reach
        self._pause = pause
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forecast")
        self._looking = threading.Lock()
        # What just came up makes worktrees first.
        self._due_at = time.monotonic() + pause(0.0, 0.0)

    def look(self) -> None:
        """Look in the background, unless the last look still goes on or the next is not due yet."""
        if time.monotonic() >= self._due_at and self._looking.acquire(blocking=False):
            self._pool.submit(self._look)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        begun, used = time.monotonic(), _processor_s()
        try:
            desk = self._desk()
            forecast = make_forecast(desk, self._reach)
            news = tuple(news_of(desk.state.foreseen, foreseen(forecast)))
            if news:
                desk.record(*news)
        except OrchestratorError as error:
            log.warning("forecast", reason=error.message, hint=error.hint)
        except Exception:
            log.exception("bug in the forecast")
        finally:
            ended = time.monotonic()
            self._due_at = ended + self._pause(ended - begun, _processor_s() - used)
            self._looking.release()


def is_worth_a_look(state: State) -> bool:
    """True while anybody may be at work, or something that was foreseen may have gone."""
    phases = (record.phase for record in state.workstreams.values())
    return bool(state.foreseen) or any(not isinstance(phase, Idle | Merged) for phase in phases)


def foreseen(forecast: Forecast) -> dict[tuple[str, ...], Foreseen]:
    """What is worth a warning, by whom it concerns: branches by their workstreams, base by its own name."""
    found: dict[tuple[str, ...], Foreseen] = {}
    for overlap in forecast.overlaps:
        known = found.get((overlap.a, overlap.b), Foreseen(conflict=False, files=()))
        files = (*known.files, overlap.path)
        found[overlap.a, overlap.b] = Foreseen(conflict=False, files=files)
    for pair in (*forecast.pairs, *forecast.against_base):
        if pair.conflict:
            found[pair.a, pair.b] = Foreseen(conflict=True, files=tuple(file.path for file in pair.files))
    found |= dict(_only_together(forecast))
    return {
        names: Foreseen(conflict=one.conflict, files=one.files[:FILES_NAMED]) for names, one in found.items()
    }


def _only_together(forecast: Forecast) -> Iterator[tuple[tuple[str, ...], Foreseen]]:
    for wave in forecast.waves:
        for collision in wave.collisions:
            if len(collision.against) > 1 and not forecast.explains(collision):
                files = tuple(file.path for file in collision.files)
                yield (*collision.against, collision.workstream), Foreseen(conflict=True, files=files)


def news_of(
    before: Mapping[tuple[str, ...], Foreseen], now: Mapping[tuple[str, ...], Foreseen]
) -> Iterator[Fact]:
    """Facts that turn what was foreseen into what is."""
    for names, one in now.items():
        if before.get(names) != one:
            kind = f.ConflictForeseen if one.conflict else f.OverlapForeseen
            yield kind(between=names, files=one.files)
    for names in before.keys() - now.keys():
        yield f.ForecastCleared(between=names)
