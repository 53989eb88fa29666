"""CoRAL: what is retrieved, what is told, and that a policy learns from an LM that can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.metrics import roc_auc_score
from torch import nn

from scorerec.baselines.config import CoRALConfig
from scorerec.baselines.coral_retrieval import (
    Ask,
    Lesson,
    Questions,
    Shelf,
    Trail,
    load_policy,
    retrieve,
)
from scorerec.baselines.coral_training import train_coral
from scorerec.text.describe import Describer
from scorerec.text.features import Reactions, reacted
from scorerec.text.prompts import basic
from scorerec.text.segments import render
from scorerec.text.wording import DOMAINS


def shelf() -> Shelf:
    """Three users and three items on a line; user 0 likes items 0 and 1, user 1 dislikes 1, user 2 rated nothing."""
    line = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], np.float32)
    reactions = csr_array(np.array([[1, 1, 0], [0, -1, 0], [0, 0, 0]], np.int8))
    return Shelf(line, line, ["a", "b", "c"], reactions)


def asked(own: int = -1) -> Questions:
    vector = np.zeros((1, 2), np.float32)
    return Questions(vector, vector, np.array([own]), np.array([1], np.int8))


def test_reactions_are_those_of_chosen_users_to_chosen_items_in_their_order() -> None:
    assert shelf().told([1, 0], [1, 2]) == [Reactions("b", (2,), (1,)), Reactions("c", (), ())]


def test_the_nearest_that_is_left_is_chosen_and_never_oneself() -> None:
    trail = Trail(shelf(), asked(own=2))
    action = np.array([[1 / 3, 0.0, 1 / 3, 0.0]], np.float32)  # three times as far: (1, 0), where user 2 and item 2 are
    for _ in range(2):
        trail.choose(action)
    assert [int(users[0]) for users in trail.users] == [1, 0]
    assert [int(items[0]) for items in trail.items] == [2, 1]
    np.testing.assert_allclose(trail.observation(), [[0, 0, 0, 0, -0.5, 0, 0.5, 0]])


def test_an_action_of_nothing_asks_those_who_are_most_alike_about_the_target_itself() -> None:
    there = np.array([[1.0, 0.0]], np.float32)
    row = Questions(there, there, np.array([-1]), np.array([1], np.int8))
    trail = Trail(shelf(), row)
    trail.choose(np.zeros((1, 4), np.float32))
    assert (trail.users[0][0], trail.items[0][0]) == (2, 2)


def test_the_sentences_stand_before_the_question(movies: dict[str, str]) -> None:
    describer = Describer({name: {"title": title} for name, title in movies.items()})
    prompt = basic(["1"], "2", describer, DOMAINS["movie"])
    told = [Reactions("3", (1, 2), ()), Reactions("1", (), (2,)), Reactions("2", (), ())]
    text = render(reacted(prompt, told, describer, DOMAINS["movie"]))
    assert text == (
        "The user has highly rated the following movies: ['Heat (1995)']. User 1 and user 2 have given high ratings to "
        "the movie 'Clue (1985)'. User 2 has not given high ratings to the movie 'Heat (1995)'. Based on this "
        "information, predict whether the user would enjoy the movie titled 'Ronin (1998)'. Respond with either 'Yes' "
        "or 'No'."
    )
    assert reacted(prompt, [], describer, DOMAINS["movie"]) == prompt


@pytest.fixture
def movies() -> dict[str, str]:
    return {"1": "Heat (1995)", "2": "Ronin (1998)", "3": "Clue (1985)"}


def world(n_users: int = 30, n_items: int = 10, n_rows: int = 400) -> tuple[Shelf, Questions, Ask]:
    """Users and items of two tastes; everybody likes their own. The LM believes what is told of the target itself."""
    rng = np.random.default_rng(0)
    user_taste, item_taste = rng.integers(0, 2, n_users), rng.integers(0, 2, n_items)

    def vectors(taste: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return np.stack([2.0 * taste - 1, rng.normal(size=len(taste))], axis=1).astype(np.float32)

    users, items = vectors(user_taste), vectors(item_taste)
    reactions = csr_array(np.where(user_taste[:, None] == item_taste[None, :], 1, -1).astype(np.int8))
    own, target = rng.integers(0, n_users, n_rows), rng.integers(0, n_items, n_rows)
    labels = (user_taste[own] == item_taste[target]).astype(np.int8)
    names = [str(item) for item in range(n_items)]

    def ask(rows: Sequence[int], told: Sequence[list[Reactions]]) -> npt.NDArray[np.float64]:
        sums = [
            sum(
                len(entry.liked_by) - len(entry.not_liked_by)
                for entry in entries
                if entry.item_id == names[target[row]]
            )
            for row, entries in zip(rows, told, strict=True)
        ]
        return 1 / (1 + np.exp(-2.0 * np.array(sums, np.float64)))

    return Shelf(users, items, names, reactions), Questions(users[own], items[target], own, labels), ask


def test_a_policy_learns_to_ask_people_of_the_same_taste_about_the_target(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    where, questions, ask = world()
    config = CoRALConfig(n_steps=1500, rounds=3, max_rounds=3, selections=3, random_steps=100, max_valid_rows=200)
    state = torch.get_rng_state()
    facts = train_coral(where, Lesson(questions, ask), Lesson(questions, ask), config, tmp_path, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert facts["steps"] == 1500
    assert facts["last_reward"] > facts["first_reward"]

    told = retrieve(load_policy(tmp_path), where, questions, config.rounds)
    rows = range(len(questions.labels))
    informed = roc_auc_score(questions.labels, ask(rows, told))
    assert informed > 0.8
    mixed = [told[place] for place in np.random.default_rng(1).permutation(len(told))]
    assert abs(roc_auc_score(questions.labels, ask(rows, mixed)) - 0.5) < 0.1
    assert informed >= max(facts["validation_aucs"]) - 0.1


def test_equal_seeds_learn_equal_policies(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    where, questions, ask = world(n_rows=50)
    config = CoRALConfig(n_steps=150, rounds=2, selections=1, random_steps=20, max_valid_rows=50)
    for name in ("one", "same"):
        train_coral(where, Lesson(questions, ask), Lesson(questions, ask), config, tmp_path / name, seed=3)
    train_coral(where, Lesson(questions, ask), Lesson(questions, ask), config, tmp_path / "other", seed=4)
    one, same, other = (load_policy(tmp_path / name).state_dict() for name in ("one", "same", "other"))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_fewer_users_than_rounds() -> None:
    policy = nn.Linear(8, 4)
    assert len(retrieve(policy, shelf(), asked(own=0), 9)[0]) == 2
