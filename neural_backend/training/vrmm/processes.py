"""Several training processes as one: started by torchrun, they share each batch and average their gradients.

Plain all-reduce instead of DistributedDataParallel: a step calls several of the model's parts, some more than once,
some not at all, and the table of codes grows.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as distributed
from torch import Tensor, nn


@dataclass(frozen=True)
class Processes:
    """This process among all."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @classmethod
    def join(cls, device: str) -> Processes:
        """As torchrun's environment says; alone without it."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if device == "cuda":
            torch.cuda.set_device(local)
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")
        return cls(distributed.get_rank(), count, local)

    def leave(self) -> None:
        if self.count > 1:
            distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        return self.rank == 0

    def places(self, batch: int) -> range:
        """This process's places of a batch. The batch must be a multiple of the processes."""
        assert batch % self.count == 0, f"a batch of {batch} cannot be shared by {self.count} processes"
        share = batch // self.count
        return range(self.rank * share, (self.rank + 1) * share)

    def average_gradients(self, parameters: list[nn.Parameter]) -> None:
        """The mean over processes, in one message; a parameter without gradient counts as zero."""
        if self.count == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([parameter.grad.reshape(-1) for parameter in parameters])
        distributed.all_reduce(flat)
        flat /= self.count
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad.copy_(part.view_as(parameter))

    def broadcast(self, value: list) -> list:
        """The first process's list of plain values, for all."""
        if self.count > 1:
            distributed.broadcast_object_list(value)
        return value

    def mean(self, values: Tensor) -> Tensor:
        if self.count > 1:
            distributed.all_reduce(values)
            values /= self.count
        return values
