from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scorerec.core.errors import ArtifactError
from scorerec.retrieve.config import SimilarityConfig
from scorerec.retrieve.similarity import Similarity, weighted

STATES = np.array([[3, 4], [3, 0], [0, 5]], np.float32)  # mean (2, 3)
ASKED = np.array([[3, 3], [2, 3], [5, 7]], np.float32)


def prepared(centre: bool, unit: bool) -> np.ndarray:
    return Similarity.of(STATES, SimilarityConfig(centre=centre, unit=unit)).prepare(ASKED)


def test_the_paper_does_nothing():
    assert SimilarityConfig() == SimilarityConfig(centre=False, unit=False)
    np.testing.assert_array_equal(prepared(False, False), ASKED)


def test_the_mean_is_that_of_the_training_behaviours():
    np.testing.assert_array_equal(prepared(True, False), [[1, 0], [0, 0], [3, 4]])


def test_vectors_of_length_1():
    root = np.sqrt([18, 13, 74])[:, None]
    np.testing.assert_allclose(prepared(False, True), ASKED / root, rtol=1e-6)


def test_centred_vectors_of_length_1():
    """Who is the average user has no direction, and no number that is none."""
    np.testing.assert_allclose(prepared(True, True), [[1, 0], [0, 0], [0.6, 0.8]], rtol=1e-6)


@given(arrays(np.float32, (4, 3), elements=st.integers(-9, 9)), st.booleans(), st.booleans())
def test_one_vector_is_prepared_as_it_is_among_others(vectors, centre, unit):
    similarity = Similarity.of(vectors, SimilarityConfig(centre=centre, unit=unit))
    together = similarity.prepare(vectors)
    assert together.dtype == np.float32
    for place in range(4):
        np.testing.assert_array_equal(similarity.prepare(vectors[place : place + 1])[0], together[place])
    if unit:
        lengths = np.linalg.norm(together, axis=1)
        assert (np.isclose(lengths, 1, atol=1e-5) | (lengths == 0)).all()


def test_what_was_saved_is_the_same(tmp_path):
    similarity = Similarity.of(STATES / np.float32(3), SimilarityConfig(centre=True, unit=True))
    similarity.save(tmp_path)
    loaded = Similarity.load(tmp_path)
    assert loaded.config == similarity.config
    assert loaded.mean.dtype == np.float32
    np.testing.assert_array_equal(loaded.mean, similarity.mean)
    np.testing.assert_array_equal(loaded.prepare(ASKED), similarity.prepare(ASKED))


@pytest.mark.parametrize("content", [None, "", "{}", '{"config": {"centre": 3}, "mean": []}', "[1]"])
def test_a_damaged_file_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "similarity.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"(?s)similarity\.json: cannot be read .* run the experiment again"):
        Similarity.load(tmp_path)


def test_who_liked_more_counts_more():
    vectors = np.array([[1, 2], [1, 2], [1, 2]], np.float32)
    found = weighted(vectors, np.array([16, 1, 0]), 0.5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[4, 8], [1, 2], [1, 2]])
    np.testing.assert_array_equal(weighted(vectors, np.array([16, 1, 0]), 0.0), vectors)
    np.testing.assert_allclose(weighted(vectors, np.array([16, 1, 0]), 1.0)[0], [16, 32])
