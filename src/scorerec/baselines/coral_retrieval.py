"""What CoRAL can retrieve, and how a policy chooses among it.

A step chooses one more user and one more item: those nearest to where the action points, from the row's own user and
item on. Policy and value read everything from the observation, so the state update of the paper of CoRAL, an MLP over
what was chosen, is a part of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from scipy.sparse import csr_array
from torch import nn

from scorerec.text.features import Reactions

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
POLICY = "policy.safetensors"
_REACH = 3.0  # how far an action, whose values lie in [-1, 1], may lead; vectors have unit deviation
_BLOCK = 1024  # rows that choose at once


@dataclass(frozen=True)
class Shelf:
    """What can be retrieved.

    Attributes:
        users: (U, d), about unit deviation.
        items: (I, d), likewise.
        item_ids: of the items.
        reactions: (U, I) int8: 1 liked, -1 rated and not liked, in the training rows.
    """

    users: Floats
    items: Floats
    item_ids: Sequence[str]
    reactions: csr_array

    def told(self, users: Sequence[int], items: Sequence[int]) -> list[Reactions]:
        """Return what the chosen users thought of the chosen items, in the order in which both were chosen."""
        chosen = self.reactions[np.asarray(users, np.int64)][:, np.asarray(items, np.int64)].toarray()  # (users, items)
        return [
            Reactions(
                self.item_ids[item],
                tuple(int(number) + 1 for number in np.flatnonzero(column > 0)),
                tuple(int(number) + 1 for number in np.flatnonzero(column < 0)),
            )
            for item, column in zip(items, chosen.T, strict=True)
        ]


class Questions(NamedTuple):
    """Rows that are asked about.

    Attributes:
        users: vector of each row's query, (N, d).
        items: vector of each row's target, (N, d).
        own: number of the row's own user on the shelf, who is never retrieved; -1 where not there, (N,).
        labels: (N,) int8.
    """

    users: Floats
    items: Floats
    own: Integers
    labels: npt.NDArray[np.int8]

    def take(self, rows: Integers) -> Questions:
        """Return some of the rows."""
        return Questions(self.users[rows], self.items[rows], self.own[rows], self.labels[rows])


# (numbers of rows, what each is told) -> the LM's p(Yes) of each, (N,)
Ask = Callable[[Sequence[int], Sequence[list[Reactions]]], npt.NDArray[np.float64]]


class Lesson(NamedTuple):
    """Attributes: ``questions``: rows that are asked about; ``ask``: the LM that answers."""

    questions: Questions
    ask: Ask


class Trail:
    """What was chosen so far for N rows at once."""

    def __init__(self, shelf: Shelf, questions: Questions):
        self._shelf, self._questions = shelf, questions
        n_rows = len(questions.labels)
        self.users: list[Integers] = []
        self.items: list[Integers] = []
        self._free_users = np.ones((n_rows, len(shelf.users)), bool)
        self._free_items = np.ones((n_rows, len(shelf.items)), bool)
        known = np.flatnonzero(questions.own >= 0)
        self._free_users[known, questions.own[known]] = False

    def observation(self) -> Floats:
        """Return the row's own user and item, and the means of those chosen so far, (N, 4d)."""
        asked, shelf = self._questions, self._shelf
        parts = [asked.users, asked.items]
        for chosen, vectors in ((self.users, shelf.users), (self.items, shelf.items)):
            parts.append(
                np.mean([vectors[numbers] for numbers in chosen], axis=0) if chosen else np.zeros_like(parts[0])
            )
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def choose(self, actions: Floats) -> None:
        """Choose for each row the nearest user and the nearest item that it has not got yet; actions: (N, 2d)."""
        rows, width = np.arange(len(actions)), actions.shape[1] // 2
        asked, away = self._questions, _REACH * actions
        # From the row's own user and item on: an action of nothing asks those most like the user about the target
        # itself. From the middle of the vectors, hardly ever did a user that was chosen know an item that was.
        for vectors, free, chosen, place in (
            (self._shelf.users, self._free_users, self.users, asked.users + away[:, :width]),
            (self._shelf.items, self._free_items, self.items, asked.items + away[:, width:]),
        ):
            distances = np.square(vectors).sum(1) - 2 * place @ vectors.T  # up to the square of ``place``
            nearest = np.where(free, distances, np.inf).argmin(1)
            free[rows, nearest] = False
            chosen.append(nearest)

    def told(self, row: int) -> list[Reactions]:
        """Return what one row is told."""
        users, items = ([int(numbers[row]) for numbers in chosen] for chosen in (self.users, self.items))
        return self._shelf.told(users, items)


def retrieve(policy: nn.Module, shelf: Shelf, questions: Questions, rounds: int) -> list[list[Reactions]]:
    """Let a policy choose for each row; return what each is told.

    Args:
        policy: observations (N, 4d) -> actions (N, 2d).
        shelf: what can be retrieved.
        questions: N rows.
        rounds: users, and items, that each row is told of; fewer where the shelf has fewer.
    """
    most = min(rounds, len(shelf.users) - 1, len(shelf.items))
    found: list[list[Reactions]] = []
    for start in range(0, len(questions.labels), _BLOCK):
        part = questions.take(np.arange(start, min(start + _BLOCK, len(questions.labels))))
        trail = Trail(shelf, part)
        for _ in range(most):
            with torch.inference_mode():
                trail.choose(policy(torch.from_numpy(trail.observation())).numpy())
        found += [trail.told(row) for row in range(len(part.labels))]
    return found


def load_policy(folder: Path) -> nn.Module:
    """Return the policy that ``coral_training.train_coral`` saved: observations (N, 4d) -> actions (N, 2d)."""
    weights = load_file(folder / POLICY)
    places = sorted({int(name.split(".")[0]) for name in weights})
    layers: list[nn.Module] = []
    for place in places:
        n_out, n_in = weights[f"{place}.weight"].shape
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    policy = nn.Sequential(*layers[:-1], nn.Tanh())
    policy.load_state_dict(weights)
    return policy.eval()
