"""The training workload that the orchestrator runs: data, models, training, evaluation."""
