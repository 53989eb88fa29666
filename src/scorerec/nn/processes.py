"""One model on several GPUs: each process takes a share of every batch, and sums make the shares one.

Every process holds the whole model and makes every step; only the sums of gradients, losses and scores travel. So
all of them take the same decisions, whatever is selected, stopped or refused, and the first one alone writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor, distributed

from scorerec.nn.devices import choose_device


@dataclass(frozen=True)
class Processes:
    """The processes that compute together, as one of them sees it.

    Attributes:
        index: this process's number; the first is 0.
        count: how many there are.

    >>> Processes(index=1, count=2).share([10, 11, 12, 13, 14])
    [11, 13]
    """

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.index == 0

    def share(self, items: Any) -> Any:
        """Return this process's part of a list or an array; the parts differ by one item at most."""
        return items[self.index :: self.count]

    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in place."""
        if self.count > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)

    def wait(self) -> None:
        """Return when all processes have come here."""
        if self.count > 1:
            distributed.barrier()


ALONE = Processes()


def join_processes(device: str) -> tuple[Processes, torch.device]:
    """Return the processes that ``accelerate launch`` or ``torchrun`` started, and the device of this one.

    Args:
        device: auto, cpu, cuda, cuda:1, ... Of several processes each takes the GPU with its own number, unless
            the CPU is asked for.

    Raises:
        ConfigError: there is no such device.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE, choose_device(device)
    state = PartialState(cpu=choose_device(device).type == "cpu")
    return Processes(state.process_index, state.num_processes), state.device
