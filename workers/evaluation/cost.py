"""What a model costs: parameters, bytes, and the memory its process took."""

import resource
import sys

import torch
from torch import nn

MEBIBYTE = 1024 * 1024
# getrusage counts in KiB on Linux and in bytes on macOS.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def model_cost(model: nn.Module) -> dict[str, float]:
    """Return flat figures; memory is the process's peak so far, and the GPU allocator's."""
    tensors = [*model.parameters(), *model.buffers()]
    cost = {
        "model_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "model_size_mb": sum(one.numel() * one.element_size() for one in tensors) / MEBIBYTE,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / MEBIBYTE,
    }
    if torch.cuda.is_available():
        cost["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated() / MEBIBYTE
    return cost
