"""How CoRAL's policy learns: the rows and the frozen LM that it acts in, and the library's DDPG.

Apart from the rest, because a library is needed that recommending does without.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from safetensors.torch import save_file
from stable_baselines3 import DDPG
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise

from scorerec.baselines.config import CoRALConfig
from scorerec.baselines.coral_retrieval import POLICY, Ask, Floats, Lesson, Questions, Shelf, Trail, retrieve
from scorerec.core.metrics import auc
from scorerec.core.progress import progress
from scorerec.core.randomness import derived_seed, generator
from scorerec.nn.fine_tuning import borrowed_randomness
from scorerec.nn.selection import Best


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


def train_coral(
    shelf: Shelf, train: Lesson, valid: Lesson, config: CoRALConfig, out: Path, seed: int
) -> dict[str, Any]:
    """Learn a policy, keep the best one on validation rows, and save it.

    Args:
        shelf: what can be retrieved.
        train: rows that are asked about in training, and the LM that answers.
        valid: rows that select, likewise.
        config: how.
        out: folder of the result.
        seed: decides weights, noise, and the order of the rows.

    Returns:
        Facts for the manifest.
    """
    rng = generator(seed, "coral", "validation")
    rows = np.sort(rng.permutation(len(valid.questions.labels))[: config.max_valid_rows])
    judged, aucs = valid.questions.take(rows), list[float]()
    with borrowed_randomness():
        agent, environment = _agent(shelf, train, config, seed)
        policy = agent.actor.mu
        best = Best(policy.state_dict())
        for _ in _parts(agent, config):
            told = retrieve(policy, shelf, judged, config.rounds)
            aucs.append(auc(judged.labels, valid.ask(rows.tolist(), told)))
            best.offer(aucs[-1])
    out.mkdir(parents=True, exist_ok=True)
    save_file(best.kept, out / POLICY)
    rewards = environment.rewards
    tenth = max(1, len(rewards) // 10)
    return {
        "steps": len(rewards),
        "episodes": environment.n_episodes,
        "first_reward": float(np.mean(rewards[:tenth])),
        "last_reward": float(np.mean(rewards[-tenth:])),
        "validation_aucs": aucs,
        "rows_seen": environment.n_asked,
    }


def _parts(agent: DDPG, config: CoRALConfig) -> Iterator[int]:
    """Learn part by part."""
    ends = [round(config.n_steps * (part + 1) / config.selections) for part in range(config.selections)]
    for end in progress(ends, "learning what to retrieve", len(ends), unit="part"):
        agent.learn(end - agent.num_timesteps, reset_num_timesteps=False)
        yield end


def _agent(shelf: Shelf, train: Lesson, config: CoRALConfig, seed: int) -> tuple[DDPG, Retrieval]:
    environment = Retrieval(shelf, train.questions, train.ask, config, generator(seed, "coral", "order"))
    n_values = 2 * shelf.users.shape[1]
    noise = OrnsteinUhlenbeckActionNoise(np.zeros(n_values), np.full(n_values, config.noise))
    agent = DDPG(
        "MlpPolicy",
        environment,
        learning_rate=config.learning_rate,
        buffer_size=config.replay,
        batch_size=config.batch_size,
        learning_starts=config.random_steps,
        action_noise=noise,
        seed=derived_seed(seed, "coral") % 2**31,
        device="cpu",  # its networks are small
    )
    agent.set_logger(Logger(folder=None, output_formats=[]))  # its own leaves a folder in the place of temporary files
    return agent, environment
