import logging

import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import PROMPTS, RANKINGS
from scorerec.rerank import sare
from scorerec.rerank.config import SAREConfig
from scorerec.rerank.models import load_reranker
from scorerec.rerank.quality import Quality
from scorerec.rerank.sare import train_sare
from scorerec.text.segments import Segment, to_rows

SHOOTERS, NOVELS = ["doom", "quake", "hexen"], ["emma", "clueless", "persuasion"]
TEXTS = {f"s{n}": f"{SHOOTERS[n]} {SHOOTERS[(n + 1) % 3]}" for n in range(3)}
TEXTS |= {f"n{n}": f"{NOVELS[n]} {NOVELS[(n + 1) % 3]}" for n in range(3)}


def prompt(target):
    opening = [Segment("wording", "user ["), Segment("history", "myst", "m"), Segment("wording", "] enjoy ")]
    return to_rows([*opening, Segment("target", target, target)])


# Twelve targets of four users; for a shooter those who like shooters are useful, and the other way round.
TARGETS = {f"t{n}": (SHOOTERS + NOVELS)[n % 6] for n in range(12)}
PROMPT_ROWS = pa.Table.from_pylist(
    [
        {"target_id": name, "segments": prompt(item), "dropped_history": 0, "dropped_evidence": 0}
        for name, item in TARGETS.items()
    ],
    PROMPTS.columns,
)
USERS = pa.array([f"u{n // 3}" for n in range(12)])
RANKING_ROWS = pa.Table.from_pylist(
    [
        {"target_id": name, "rank": rank, "behaviour_id": behaviour, "relevance": 1 - rank / 10}
        for name, item in TARGETS.items()
        for rank, behaviour in enumerate(sorted(TEXTS, reverse=item in SHOOTERS), start=1)
    ],
    RANKINGS.columns,
)


def config(folder, reading="bi-encoder", **changes):
    settings = {"learning_rate": 0.05, "epochs": 6, "batch_size": 4, "shift": 3, "n_negatives": 2}
    settings |= {"model": str(folder), "reading": reading, "max_length": 32}
    return SAREConfig(**(settings | {"held_out": 0.25} | changes))


@pytest.mark.parametrize(
    ("reading", "folder", "learning_rate"),
    [("bi-encoder", "static_folder", 0.05), ("cross-encoder", "bert_folder", 0.005)],
)
def test_it_learns_saves_and_reports(reading, folder, learning_rate, request, tmp_path):
    settings = config(request.getfixturevalue(folder), reading, learning_rate=learning_rate)
    prompts = PROMPT_ROWS.append_column("user_id", USERS)
    facts = train_sare(prompts, TEXTS, RANKING_ROWS, untuned(settings), tmp_path / "model", seed=0)
    assert (facts["n_rankings"], facts["n_examples"], facts["n_held_out"]) == (12, 9, 3)
    assert facts["held_out_by"] == "user"
    assert facts["losses"][-1] < facts["losses"][0]
    assert set(facts["quality"]["tuned"]) == set(Quality._fields)
    scores = load_reranker(tmp_path / "model", settings).score(["user [myst] enjoy doom"] * 2, ["doom", "emma"])
    assert scores[0] > scores[1]


def untuned(settings):
    return load_reranker(settings.model, settings)


def test_the_same_seed_gives_the_same_facts_and_another_does_not(static_folder, tmp_path):
    def facts(name, seed):
        return train_sare(PROMPT_ROWS, TEXTS, RANKING_ROWS, untuned(config(static_folder)), tmp_path / name, seed)

    assert facts("a", 0) == facts("b", 0)
    assert facts("a", 0) != facts("c", 1)
    assert facts("a", 0)["held_out_by"] == "target"
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


def test_a_collapsed_reranker_is_said_loudly(static_folder, tmp_path, caplog, monkeypatch):
    flat = Quality(0.5, 0.8, 0.0, spread=0.0, target_effect=0.0, contexts_changed=0.0)
    monkeypatch.setattr(sare, "measure", lambda *_: flat)
    with caplog.at_level(logging.WARNING):
        facts = train_sare(PROMPT_ROWS, TEXTS, RANKING_ROWS, untuned(config(static_folder)), tmp_path, seed=0)
    assert len(facts["warnings"]) == 2
    assert "collapsed" in facts["warnings"][0]
    assert [record.message for record in caplog.records] == facts["warnings"]


def test_without_held_out_rankings_there_is_nothing_to_judge(static_folder, tmp_path):
    settings = config(static_folder, held_out=0, epochs=1)
    facts = train_sare(PROMPT_ROWS, TEXTS, RANKING_ROWS, untuned(settings), tmp_path, seed=0)
    assert facts["quality"] == {"untuned": None, "tuned": None}
    assert facts["n_examples"] == 12


def test_rankings_that_are_too_short_are_an_error(static_folder, tmp_path):
    with pytest.raises(DataError, match=r"has 9 users.*n_candidates"):
        train_sare(PROMPT_ROWS, TEXTS, RANKING_ROWS, untuned(config(static_folder, shift=7)), tmp_path, seed=0)


def test_missing_prompts_and_texts_are_named(static_folder, tmp_path):
    with pytest.raises(DataError, match="first is 't0'"):
        train_sare(PROMPT_ROWS.slice(1), TEXTS, RANKING_ROWS, untuned(config(static_folder)), tmp_path, seed=0)
    fewer = {name: text for name, text in TEXTS.items() if name != "n2"}
    with pytest.raises(DataError, match="first is 'n2'"):
        train_sare(PROMPT_ROWS, fewer, RANKING_ROWS, untuned(config(static_folder)), tmp_path, seed=0)
