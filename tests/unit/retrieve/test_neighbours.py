import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scorerec.core.errors import ArtifactError, DataError
from scorerec.retrieve import neighbours
from scorerec.retrieve.neighbours import SearchSpace, Visibility, find_neighbours, top_k

WHOLE = st.integers(-3, 3).map(float)  # whole numbers: many ties, and no rounding
CLOCK = st.integers(0, 4)


@st.composite
def searches(draw):
    n_queries, n_corpus, dimension = draw(st.integers(0, 6)), draw(st.integers(0, 9)), draw(st.integers(1, 3))
    visible = None
    if draw(st.booleans()):
        visible = Visibility(
            draw(arrays(np.int64, n_queries, elements=CLOCK)),
            draw(arrays(np.int64, n_corpus, elements=CLOCK)),
            draw(arrays(np.int64, n_corpus, elements=CLOCK)),
        )
    return (
        draw(arrays(np.float32, (n_queries, dimension), elements=WHOLE)),
        draw(arrays(np.float32, (n_corpus, dimension), elements=WHOLE)),
        draw(st.integers(1, 5)),
        draw(arrays(np.int64, n_queries, elements=st.integers(0, 3))),
        draw(arrays(np.int64, n_corpus, elements=st.integers(0, 3))),
        visible,
    )


def naive(queries, corpus, k, query_owner, corpus_owner, visible):
    """Eq. 4 word for word: sort everybody else by inner product, earlier ones first where equal."""
    indices, similarity = [], []
    for number, query in enumerate(queries):
        allowed = [
            place
            for place in range(len(corpus))
            if corpus_owner[place] != query_owner[number]
            and (visible is None or visible.valid_from[place] <= visible.snapshot[number] < visible.valid_to[place])
        ]
        best = sorted(allowed, key=lambda place: (-float(query @ corpus[place]), place))[:k]
        missing = k - len(best)
        indices.append(best + [-1] * missing)
        similarity.append([float(query @ corpus[place]) for place in best] + [-np.inf] * missing)
    return indices, similarity


@settings(deadline=None)
@given(searches(), st.integers(1, 4), st.integers(1, 4))
def test_equals_a_naive_loop_whatever_the_chunks(search, query_chunk, corpus_chunk):
    queries, corpus, k, query_owner, corpus_owner, visible = search
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_QUERY_CHUNK", query_chunk)
        patch.setattr(neighbours, "_CORPUS_CHUNK", corpus_chunk)
        indices, similarity = top_k(
            queries, corpus, k, query_owner=query_owner, corpus_owner=corpus_owner, visible=visible
        )
    expected = naive(queries, corpus, k, query_owner, corpus_owner, visible)
    assert indices.tolist() == expected[0]
    assert similarity.tolist() == expected[1]
    assert (indices.dtype, similarity.dtype) == (np.int64, np.float32)


def test_equal_vectors_are_equally_similar_wherever_they_stand():
    random = np.random.default_rng(0)
    vector = random.normal(size=(1, 64)).astype(np.float32)
    corpus = np.repeat(vector, 1000, axis=0)
    found, similarity = top_k(random.normal(size=(3, 64)), corpus, 5, query_owner=["a"] * 3, corpus_owner=["b"] * 1000)
    assert found.tolist() == [[0, 1, 2, 3, 4]] * 3
    assert (similarity == similarity[:, :1]).all()


@pytest.mark.parametrize("length", [1e-15, 1.0, 1e15])
def test_who_is_first_is_decided_in_double_precision(length):
    """Neighbours that single precision cannot tell apart, or would put in the wrong order."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(5, 384)) * length
    corpus = (np.repeat(centres, 400, axis=0) * (1 + 1e-7 * random.normal(size=(2000, 384)))).astype(np.float32)
    queries = (centres * random.uniform(0.9, 1.1, size=(5, 384))).astype(np.float32)
    exact = (queries.astype(np.float64) @ corpus.astype(np.float64).T).astype(np.float32)
    expected = np.argsort(-exact, axis=1, kind="stable")[:, :10]
    found, similarity = top_k(queries, corpus, 10, query_owner=["a"] * 5, corpus_owner=["b"] * 2000)
    assert found.tolist() == expected.tolist()
    assert similarity.tolist() == np.take_along_axis(exact, expected, axis=1).tolist()
    rough = np.argsort(-(queries @ corpus.T), axis=1, kind="stable")[:, :10]
    assert rough.tolist() != expected.tolist()  # or this test would show nothing


def test_a_space_with_times_wants_snapshots():
    space = SearchSpace([[1.0]], ["a"], ([0], [9]))
    with pytest.raises(DataError, match=r"snapshots of the queries, one per vector \(1\)"):
        space.top_k([[1.0]], 1, ["b"])


@pytest.mark.parametrize(
    ("queries", "corpus", "owners", "message"),
    [
        ([[1.0]], [[1.0, 2.0]], (["a"], ["b"]), "vectors of one length"),
        ([1.0], [[1.0]], (["a"], ["b"]), "shape"),
        ([[1.0]], [[np.nan]], (["a"], ["b"]), "1 corpus are not finite"),
        ([[1.0]], [[1.0]], (["a", "b"], ["b"]), "owners of the queries, one per vector"),
        ([[1.0]], [[1.0]], (["a"], []), "owners of the corpus, one per vector"),
        ([[1e20]], [[1.0]], (["a"], ["b"]), "1 queries are not finite numbers, or longer"),
    ],
)
def test_what_does_not_fit_is_an_error(queries, corpus, owners, message):
    with pytest.raises(DataError, match=message):
        top_k(queries, corpus, 1, query_owner=owners[0], corpus_owner=owners[1])


def behaviours(*users: str) -> pa.Table:
    ids = [f"{user}:{number}" for number, user in enumerate(users)]
    return pa.table(
        {
            "behaviour_id": ids,
            "user_id": list(users),
            "valid_from": [0] * len(ids),
            "valid_to": [1] * len(ids),
            "item_ids": pa.array([[]] * len(ids), pa.list_(pa.string())),
        }
    )


def vectors(table: pa.Table, rows: list[list[float]]) -> pa.Table:
    return pa.table({"behaviour_id": table["behaviour_id"], "vector": pa.array(rows, pa.list_(pa.float32(), 2))})


def test_neighbours_table_leaves_out_a_users_own_behaviours():
    table = behaviours("ann", "ann", "bob", "eve")
    found = find_neighbours(vectors(table, [[1, 0], [2, 0], [3, 0], [0, 1]]).slice(0), table, 2)
    assert found.filter(np.array(found["behaviour_id"].to_pylist()) == "ann:0").to_pylist() == [
        {"behaviour_id": "ann:0", "rank": 1, "neighbour_id": "bob:2", "similarity": 3.0},
        {"behaviour_id": "ann:0", "rank": 2, "neighbour_id": "eve:3", "similarity": 0.0},
    ]
    assert found.num_rows == 8


def test_vectors_may_come_in_any_order():
    table = behaviours("ann", "bob", "eve")
    given_vectors = vectors(table, [[1, 0], [0, 1], [1, 1]])
    turned = given_vectors.take([2, 0, 1])
    assert find_neighbours(turned, table, 1).equals(find_neighbours(given_vectors, table, 1))


def test_few_users_have_few_neighbours():
    table = behaviours("ann", "bob")
    assert find_neighbours(vectors(table, [[1, 0], [0, 1]]), table, 5).num_rows == 2


def test_a_behaviour_without_a_vector_is_named():
    table = behaviours("ann", "bob")
    with pytest.raises(ArtifactError, match="first is 'bob:1'"):
        find_neighbours(vectors(table, [[1, 0], [0, 1]]).slice(0, 1), table, 1)
    with pytest.raises(ArtifactError, match="fixed-size lists"):
        find_neighbours(table, table, 1)
