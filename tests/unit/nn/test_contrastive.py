import pytest
import torch
from sentence_transformers import CrossEncoder

from scorerec.core.errors import DataError
from scorerec.nn.contrastive import EncoderTask, Example, PairTask
from scorerec.nn.encoders import load_encoder
from scorerec.nn.losses import MASKED, NEGATIVE, POSITIVE

TEXTS = {"a": "doom quake", "b": "hexen doom", "c": "emma clueless", "d": "persuasion"}


def test_neighbours_and_own_behaviours_are_nobodys_negatives():
    task = EncoderTask(TEXTS, temperature=0.1, in_batch_negatives=True)
    # a's neighbours are b and c; c is held out and so no positive, but it is no negative either.
    first = Example("doom", ("b",), excluded=frozenset({"a", "b", "c"}))
    second = Example("emma", ("d", "a"), excluded=frozenset({"c", "d", "a"}))
    relation = task.relation([first, second], ["a", "b", "c", "d"])
    assert relation.tolist() == [
        [MASKED, POSITIVE, MASKED, NEGATIVE],
        [POSITIVE, NEGATIVE, MASKED, POSITIVE],
    ]


def test_without_in_batch_negatives_an_anchor_sees_its_own_candidates_only():
    task = EncoderTask(TEXTS, temperature=0.02, in_batch_negatives=False)
    relation = task.relation([Example("doom", ("a",), ("b",)), Example("emma", ("c",), ("d",))], list("abcd"))
    assert relation.tolist() == [[POSITIVE, NEGATIVE, MASKED, MASKED], [MASKED, MASKED, POSITIVE, NEGATIVE]]


def test_a_shared_candidate_is_encoded_once_and_the_loss_is_that_of_eq_6(static_folder):
    encoder = load_encoder(str(static_folder))
    task = EncoderTask(TEXTS, temperature=0.1, in_batch_negatives=True)
    examples = [
        Example("quake", ("a", "b"), excluded=frozenset({"a", "b"})),
        Example("clueless", ("c", "b"), excluded=frozenset({"c", "b"})),
    ]
    batch = task.batches(encoder, examples)([{"row": 0}, {"row": 1}])
    assert len(batch["candidate_offsets"]) == 3
    features = [
        {name: batch[f"{column}_{name}"] for name in ("input_ids", "offsets")} for column in ("anchor", "candidate")
    ]
    loss = task.loss(encoder)(features, batch["label"])

    def similarity(left, right):
        return torch.cosine_similarity(*(encoder.encode([t], convert_to_tensor=True) for t in (left, right)))

    def term(anchor, positive, negative):
        gains = [torch.exp(similarity(anchor, TEXTS[name]) / 0.1) for name in (positive, negative)]
        return -torch.log(gains[0] / sum(gains))

    expected = term("quake", "a", "c") + term("quake", "b", "c")
    expected += term("clueless", "c", "a") + term("clueless", "b", "a")
    assert loss.item() == pytest.approx((expected / 2).item(), rel=1e-4)


def test_a_cross_encoders_loss_bounds_its_scores(bert_folder):
    torch.manual_seed(0)
    model = CrossEncoder(str(bert_folder), num_labels=1, device="cpu").eval()
    task = PairTask(TEXTS, temperature=0.02)
    batch = task.batches(model, [Example("doom", ("a",), ("c", "d"))])([{"row": 0}])
    assert batch["pairs"] == [("doom", "doom quake"), ("doom", "emma clueless"), ("doom", "persuasion")]
    loss = task.loss(model)([batch["pairs"]], batch["label"])
    scores = torch.tensor(model.predict(batch["pairs"]))  # sigmoids
    expected = -torch.log_softmax(scores / 0.02, dim=0)[0]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_cross_encoders_examples_have_one_shape(bert_folder):
    model = CrossEncoder(str(bert_folder), num_labels=1, device="cpu")
    batches = PairTask(TEXTS, 0.02).batches(model, [Example("x", ("a",), ("b",)), Example("y", ("a",), ())])
    with pytest.raises(DataError, match="same number"):
        batches([{"row": 0}, {"row": 1}])
