import logging

import pyarrow as pa
import pytest

from scorerec.core.errors import ConfigError, DataError
from scorerec.core.tables import NEIGHBOURS
from scorerec.nn.encoders import encode, load_encoder
from scorerec.retrieve import car
from scorerec.retrieve.anchors import read_anchors
from scorerec.retrieve.car import recall, train_car
from scorerec.retrieve.config import CARConfig

SHOOTERS, NOVELS = ["doom", "quake", "hexen"], ["emma", "clueless", "persuasion"]
# Twelve users of two kinds; each likes two items of its kind.
TEXTS = {
    f"{kind}{user}": f"{items[user % 3]} {items[(user + 1 + user // 3) % 3]}"
    for kind, items in (("s", SHOOTERS), ("n", NOVELS))
    for user in range(6)
}


SAME = pa.Table.from_pylist(
    [
        {"behaviour_id": name, "rank": rank, "neighbour_id": other, "similarity": 1.0}
        for name in TEXTS
        for rank, other in enumerate([n for n in TEXTS if n != name and n[0] == name[0]][:3], start=1)
    ],
    NEIGHBOURS.columns,
)


def config(folder, **changes):
    settings = {"model": str(folder), "learning_rate": 0.03, "epochs": 4, "batch_size": 4, "recall_at": 5}
    return CARConfig(**(settings | {"held_out": 0.25} | changes))


@pytest.mark.parametrize("folder", ["static_folder", "bert_folder"])
def test_it_learns_saves_and_reports(folder, request, tmp_path):
    path = request.getfixturevalue(folder)
    facts = train_car(TEXTS, SAME, config(path, learning_rate=0.01), tmp_path / "model", seed=0)
    assert facts["n_behaviours"] == 12
    assert facts["n_held_out_users"] == 3
    assert facts["n_anchors"] == 9
    assert len(facts["losses"]) == 4
    assert facts["losses"][-1] < facts["losses"][0]
    assert facts["recall_at_5"]["tuned"]["final"] >= facts["recall_at_5"]["untuned"]["final"]
    assert facts["warnings"] == []
    assert encode(load_encoder(str(tmp_path / "model")), ["doom"]).shape[0] == 1


def test_the_same_seed_gives_the_same_files(static_folder, tmp_path):
    for name in ("one", "two"):
        train_car(TEXTS, SAME, config(static_folder), tmp_path / name, seed=0)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir() if path.is_file()}
    assert files
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir() if path.is_file()}


def test_a_retriever_that_became_worse_is_said_loudly(static_folder, tmp_path, caplog, monkeypatch):
    measured = iter([{"final": 0.5}, {"final": 0.4}])
    monkeypatch.setattr(car, "recall", lambda *_: next(measured))
    with caplog.at_level(logging.WARNING):
        facts = train_car(TEXTS, SAME, config(static_folder), tmp_path, seed=0)
    assert "worse than the encoder it started from" in facts["warnings"][0]
    assert [record.message for record in caplog.records] == facts["warnings"]


def test_recall_by_hand(static_folder):
    encoder = load_encoder(str(static_folder))
    texts = {"a": "doom", "b": "doom", "c": "emma"}
    rows = [
        {"behaviour_id": "a", "rank": 1, "neighbour_id": "b", "similarity": 1.0},
        {"behaviour_id": "a", "rank": 2, "neighbour_id": "c", "similarity": 0.0},
    ]
    anchors = read_anchors(pa.Table.from_pylist(rows, NEIGHBOURS.columns), texts)
    assert recall(encoder, anchors, anchors, texts, 1) == {"final": 0.5}
    assert recall(encoder, anchors, anchors, texts, 2) == {"final": 1.0}


def test_texts_that_are_too_long_are_counted(bert_folder, tmp_path):
    texts = TEXTS | {"s0": "doom " * 100}
    facts = train_car(texts, SAME, config(bert_folder, max_length=16, epochs=1), tmp_path, seed=0)
    assert facts["n_truncated"] == 1
    assert "lose their newest titles" in facts["warnings"][-1]


def test_without_held_out_users_there_is_nothing_to_compare(static_folder, tmp_path):
    facts = train_car(TEXTS, SAME, config(static_folder, held_out=0), tmp_path, seed=0)
    assert facts["recall_at_5"] == {"untuned": {}, "tuned": {}}


def test_nobody_to_learn_from(static_folder, tmp_path):
    rows = [{"behaviour_id": "s0", "rank": 1, "neighbour_id": "s1", "similarity": 1.0}]
    lonely = pa.Table.from_pylist(rows, NEIGHBOURS.columns)
    with pytest.raises(DataError, match=r"car\.held_out"):
        train_car(TEXTS, lonely, config(static_folder, held_out=0.9), tmp_path, seed=0)


def test_it_computes_where_it_is_told_to(static_folder, tmp_path):
    with pytest.raises(ConfigError, match="got 'abacus'"):
        train_car(TEXTS, SAME, config(static_folder), tmp_path, seed=0, device="abacus")
