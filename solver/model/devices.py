"""Where a base runs and in which numbers; how much memory that took."""

from __future__ import annotations

import logging
import os
import resource

import torch

from solver.grid import InputError

log = logging.getLogger(__name__)


def choose_device(name: str | None) -> torch.device:
    """The named device, or the first GPU that passes a real operation, or the CPU.

    A real operation, because a GPU too old for the installed PyTorch reports itself as available.
    """
    if name:
        try:
            device = torch.device(name)
            torch.zeros(1, device=device).add_(1).item()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise InputError(f"--device {name}: cannot be used ({str(error).splitlines()[0]})") from None
        return device
    if torch.cuda.is_available():
        try:
            torch.zeros(1, device="cuda").add_(1).item()
            return torch.device("cuda", 0)
        except RuntimeError as error:
            log.warning("the GPU is not usable, going on with the CPU: %s", str(error).splitlines()[0])
    return torch.device("cpu")


def native_dtype(device: torch.device) -> torch.dtype:
    """What the device multiplies natively: bf16 where it can, else fp16 on a GPU and fp32 on a CPU."""
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16
    has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.bfloat16 if has_bf16 else torch.float32


def free_memory(device: torch.device) -> int:
    """Bytes that can still be had: of the GPU, what PyTorch holds without using it included, or of the machine."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: of the GPU since the last call, or of this process."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
