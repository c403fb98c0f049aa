"""The conflict forecast: what would conflict if everything were merged now, uncommitted work included."""

from __future__ import annotations

from orchestrator.forecast.document import forecast_document
from orchestrator.forecast.making import make_forecast
from orchestrator.forecast.model import Branch, FileClash, Forecast, LeftOut, Overlap, Pair, WaveFold

__all__ = [
    "Branch",
    "FileClash",
    "Forecast",
    "LeftOut",
    "Overlap",
    "Pair",
    "WaveFold",
    "forecast_document",
    "make_forecast",
]
