"""Training that can go on where it was killed: its whole state in one file, replaced in one step (ADR 0019)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scorerec.core.artifacts import fingerprint
from scorerec.core.errors import ArtifactError
from scorerec.core.storage import sync, told_clearly

# What libraries raise where a model's files are absent, foreign or damaged.
UNREADABLE = (OSError, ValueError, KeyError, SafetensorError)
MINUTES = 3.0  # of work that a kill may cost
_SHARE = 0.05  # of the time may go into keeping states, however long that takes


def training_key(identity: Mapping[str, Any]) -> str:
    """Return a name for what decides a training; another release of torch rounds differently, and decides too."""
    return fingerprint({**identity, "torch": torch.__version__})


class Interval:
    """Says when a state is to be kept again."""

    def __init__(self) -> None:
        self._kept, self._cost = time.monotonic(), 0.0

    @property
    def is_over(self) -> bool:
        """Whether more work would be lost by now than a kill may cost."""
        return time.monotonic() - self._kept >= max(60 * MINUTES, self._cost / _SHARE)

    def start(self) -> None:
        """Note that keeping begins."""
        self._kept = time.monotonic()

    def end(self) -> None:
        """Note that keeping is done."""
        self._cost = time.monotonic() - self._kept
        self._kept += self._cost


class State(NamedTuple):
    """What a training needs to go on.

    Attributes:
        tensors: weights, optimiser, generators, by name.
        facts: the rest, such as places and curves; whatever JSON can hold.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Checkpoint:
    """The last state of one training, in a folder that outlives its process.

    Args:
        folder: of its own; made when a state is kept.
        identity: what decides the training. A state that another training left in the folder is not taken up.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        self._path = folder / f"{training_key(identity)}.safetensors"
        self._interval = Interval()
        self._start = time.monotonic()
        self.seconds_before = 0.0  # of earlier attempts, up to the state that was taken up

    @property
    def is_due(self) -> bool:
        """Whether it is time to keep a state."""
        return self._interval.is_over

    @property
    def seconds(self) -> float:
        """How long the training has taken so far, earlier attempts included."""
        return self.seconds_before + time.monotonic() - self._start

    def load(self) -> State | None:
        """Return the state to go on from, on the CPU; None where there is none.

        Raises:
            ArtifactError: it is damaged.
        """
        if not self._path.is_file():
            return None
        try:
            with safe_open(self._path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                facts = json.loads(file.metadata()["facts"])
        except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
            raise ArtifactError(
                f"{self._path}: the state of an interrupted training cannot be read ({error}); delete this file and "
                "run again, and the training starts anew"
            ) from None
        self.seconds_before = facts["seconds"]
        return State(tensors, facts)

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Keep a state in the place of the one before.

        Raises:
            ArtifactError: the disk is full or fails, or the folder cannot be written.
        """
        self._interval.start()
        partial = self._path.with_suffix(".partial")
        with told_clearly(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            whole = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
            save_file(whole, partial, {"facts": json.dumps({**facts, "seconds": self.seconds})})
            sync(partial)
            partial.replace(self._path)
        self._interval.end()

    def remove(self) -> None:
        """Remove the folder: the training is done."""
        shutil.rmtree(self._path.parent, ignore_errors=True)


class TrainingTensors:
    """The tensors that decide how a training goes on: weights, Adam's moments, and torch's generators.

    Args:
        weights: by name, as the model has them; they are changed in place.
        adam: its optimiser.
        device: whose generator dropout draws from.
    """

    def __init__(self, weights: Mapping[str, Tensor], adam: torch.optim.Optimizer, device: torch.device):
        self._weights, self._adam, self._device = weights, adam, device

    def read(self) -> dict[str, Tensor]:
        """Return them by name."""
        found = {f"weight.{name}": weight for name, weight in self._weights.items()}
        for index, moments in self._adam.state_dict()["state"].items():
            found.update({f"adam.{index}.{name}": moment for name, moment in moments.items()})
        found["generator.cpu"] = torch.get_rng_state()
        if self._device.type == "cuda":
            found["generator.cuda"] = torch.cuda.get_rng_state(self._device)
        return found

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what ``read`` returned."""
        for name, weight in self._weights.items():
            weight.copy_(tensors[f"weight.{name}"])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("adam."):
                _, index, moment = name.split(".", 2)
                moments.setdefault(int(index), {})[moment] = tensor
        self._adam.load_state_dict({**self._adam.state_dict(), "state": moments})
        torch.set_rng_state(tensors["generator.cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(tensors["generator.cuda"], self._device)
