"""Reading a config from YAML and overrides, and the hash that decides whether a run may resume."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from workers.cli import UsageError
from workers.config import Section

# A longer or gentler continuation of the same run, saved more or less often, is still the same run.
RESUMABLE_CHANGES = frozenset(
    {
        "run.branch",
        "run.gpu_memory_share",
        "optim.epochs",
        "optim.learning_rate",
        "optim.early_stopping",
        "optim.early_stopping.patience",
        "optim.early_stopping.min_delta",
        "checkpoint.interval_epochs",
        "checkpoint.keep_last",
        "checkpoint.keep_best",
    }
)

# What came later, by the value that means what was done before: runs from then are still the same runs.
LATER_KEYS: Mapping[str, Any] = {
    "tasks.alignment": None,
    "model.extractor.positions": "sequence",
    "model.extractor.standardise": False,
    "model.extractor.xavier": False,
    "model.extractor.readout": "mean",
    "model.extractor.halving_stem": False,
    "model.extractor.tokenizer.halving_stem": False,
}

Schema = TypeVar("Schema", bound=Section)


def load_config(schema: type[Schema], path: Path | None, overrides: Sequence[str] = ()) -> Schema:
    """Read `path` (nothing: only defaults), apply `a.b=c` overrides, validate.

    Raises:
        UsageError: one message that names every problem.
    """
    values = _read_mapping(path) if path else {}
    for override in overrides:
        _apply_override(values, override)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"config {path or '(defaults)'}: {_describe(error)}") from None


def config_hash(config: Section) -> str:
    values = {
        key: value
        for key, value in flatten(config).items()
        if key not in RESUMABLE_CHANGES and (key not in LATER_KEYS or value != LATER_KEYS[key])
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def flatten(config: Section) -> dict[str, Any]:
    """Return the config as `{"a.b": value}` with plain JSON values."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, child in value.items():
                walk(f"{prefix}.{key}" if prefix else key, child)
        else:
            flat[prefix] = value

    walk("", config.model_dump(mode="json"))
    return flat


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read config {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"config {path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UsageError(f"config {path} must be a mapping, not {type(values).__name__}")
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    dotted, separator, text = override.partition("=")
    if not separator or not dotted:
        raise UsageError(f"--set {override}: expected KEY=VALUE, for example optim.batch_size=16")
    *parents, leaf = dotted.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {override}: {parent} is a value, not a section")
    try:
        values[leaf] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"--set {override}: the value is not valid YAML") from None


def _describe(error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"]) or "config"
        problems.append(f"{where}: {problem['msg']} (got {problem['input']!r:.80})")
    return "; ".join(problems)
