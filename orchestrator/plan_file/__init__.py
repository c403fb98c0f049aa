"""Reads `waves.yaml` into a plan, or says everything that is wrong with it, line by line."""

from orchestrator.plan_file.document import json_schema
from orchestrator.plan_file.loading import FILE_NAME, find_plan, load_plan
from orchestrator.plan_file.problems import PlanErrors, Problem
from orchestrator.plan_file.starter import starter_text

__all__ = ["FILE_NAME", "PlanErrors", "Problem", "find_plan", "json_schema", "load_plan", "starter_text"]
