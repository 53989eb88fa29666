"""The world that CoRAL's policy acts in: rows of the training part, and a frozen LM that answers."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from scorerec.baselines.coral import Ask, CoRALConfig, Floats, Questions, Shelf, Trail


class Retrieval(gymnasium.Env[Floats, Floats]):
    """One episode: one row, to which users and items are added one by one.

    Attributes:
        rewards: of all steps so far.
        n_episodes: that were begun.
        n_asked: how often the LM was asked.
    """

    def __init__(self, shelf: Shelf, questions: Questions, ask: Ask, config: CoRALConfig, rng: np.random.Generator):
        width = shelf.users.shape[1]
        self.observation_space = spaces.Box(-np.inf, np.inf, (4 * width,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2 * width,), np.float32)
        self.rewards: list[float] = []
        self.n_episodes = self.n_asked = 0
        self._shelf, self._questions, self._ask, self._config, self._rng = shelf, questions, ask, config, rng
        self._most = min(config.max_rounds, len(shelf.users) - 1, len(shelf.items))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin with another row; its order is drawn by the generator of the whole training."""
        super().reset(seed=seed, options=options)
        self._row = int(self._rng.integers(len(self._questions.labels)))
        self._asked = self._questions.take(np.array([self._row]))
        self._trail = Trail(self._shelf, self._asked)
        self._error = self._distance([])
        self.n_episodes += 1
        return self._trail.observation()[0], {}

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Add the nearest user and item; the reward is |p - y| before, minus |p - y| now."""
        self._trail.choose(action[None])
        before, self._error = self._error, self._distance(self._trail.told(0))
        self.rewards.append(before - self._error)
        is_close = self._error < self._config.close_enough
        is_over = len(self._trail.users) >= self._most
        return self._trail.observation()[0], self.rewards[-1], is_close, is_over, {}

    def _distance(self, told: list[Any]) -> float:
        self.n_asked += 1
        (p_yes,) = self._ask([self._row], [told])
        return abs(float(p_yes) - float(self._asked.labels[0]))
