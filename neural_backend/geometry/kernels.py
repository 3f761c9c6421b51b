"""Launching warp kernels on torch tensors: one source for the CPU and CUDA.

A warp launch on the CPU runs in one thread, and its atomics there are plain reads and writes. `launch_bands` therefore
starts one launch per band of image rows from Python threads (warp releases the GIL); a kernel that takes part writes
only inside its own band. On CUDA there is one band, real atomics, and torch's current stream.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
import warp as wp
from torch import Tensor

from ..protocol.cancellation import checkpoint

wp.config.log_level = wp.LOG_ERROR  # a missing CUDA driver is no news, and standard output may be a pipe
#: Bands (and threads) per CPU launch.
CPU_BANDS = max(1, min(4, os.cpu_count() or 1))
#: Below this many rows one thread is faster than starting several.
MIN_BAND_ROWS = 64

_load_lock = threading.Lock()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CPU_BANDS, thread_name_prefix="mien-kernel")


def to_warp(tensor: Tensor, dtype: type | None = None) -> wp.array:
    """A warp view of a tensor's memory, without gradient."""
    wp.init()  # does nothing after the first time
    tensor = tensor.detach().contiguous()
    return wp.from_torch(tensor, dtype=dtype) if dtype is not None else wp.from_torch(tensor)


def launch(kernel: wp.Kernel, dim: int, inputs: list, device: torch.device) -> None:
    """Run a kernel on the torch device's current stream."""
    if dim == 0:
        return
    checkpoint()
    if device.type == "cuda":
        stream = wp.stream_from_torch(torch.cuda.current_stream(device))
        wp.launch(kernel, dim=dim, inputs=inputs, device=wp.device_from_torch(device), stream=stream)
    elif device.type == "cpu":
        wp.launch(kernel, dim=dim, inputs=inputs, device="cpu")
    else:
        raise ValueError(f"The renderer runs on cpu and cuda, not on {device}: move the tensors there.")


def launch_bands(kernel: wp.Kernel, dim: int, inputs: list, rows: int, device: torch.device) -> None:
    """Run a kernel whose last two arguments are the first row and the end row of the band that it may write."""
    bands = CPU_BANDS if device.type == "cpu" and rows >= 2 * MIN_BAND_ROWS and dim else 1
    if bands == 1:
        launch(kernel, dim, [*inputs, 0, rows], device)
        return
    with _load_lock:  # compile once, not once per thread
        wp.load_module(kernel.module, device="cpu")
    checkpoint()
    limits = [rows * band // bands for band in range(bands + 1)]
    jobs = [
        _pool().submit(launch, kernel, dim, [*inputs, limits[band], limits[band + 1]], device) for band in range(bands)
    ]
    for job in jobs:
        job.result()


def launch_shares(kernel: wp.Kernel, items: int, threads_per_item: int, inputs: list, device: torch.device) -> None:
    """Run a kernel over items dealt out in turn: its last two arguments are `part` and `parts`.

    Thread tid works on item (tid // threads_per_item) * parts + part, may find that there is none, and writes only what
    belongs to its item. On CUDA there is one part.
    """
    parts = CPU_BANDS if device.type == "cpu" and items >= 2 * CPU_BANDS else 1
    dim = -(-items // parts) * threads_per_item
    if parts == 1:
        launch(kernel, dim, [*inputs, 0, 1], device)
        return
    with _load_lock:  # compile once, not once per thread
        wp.load_module(kernel.module, device="cpu")
    checkpoint()
    jobs = [_pool().submit(launch, kernel, dim, [*inputs, part, parts], device) for part in range(parts)]
    for job in jobs:
        job.result()
