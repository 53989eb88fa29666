"""The reply store: append-only, shared by threads, and clear about files that are none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scorerec.assess.assessor import Reply, Tokens
from scorerec.assess.store import ReplyStore, reply_key
from scorerec.core.errors import ArtifactError


def test_a_kept_reply_is_found_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "replies.sqlite"
    with ReplyStore(path) as store:
        assert store.find("k") is None
        store.keep("k", "model", "prompt", Reply("answer", 3, None))
    with ReplyStore(path) as store:
        assert store.find("k") == Reply("answer", 3, None)
        assert len(store) == 1


def test_a_reply_is_never_replaced(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store:
        store.keep("k", "model", "prompt", Reply("first"))
        store.keep("k", "model", "prompt", Reply("second"))
        assert store.find("k") == Reply("first")


def test_a_reply_is_on_disk_before_the_store_is_closed(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store, ReplyStore(tmp_path / "replies.sqlite") as other:
        store.keep("k", "model", "prompt", Reply("answer"))
        assert other.find("k") == Reply("answer")


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    with ReplyStore(tmp_path / "replies.sqlite") as store, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.keep(str(n % 50), "model", "prompt", Reply(str(n % 50))), range(200)))
        assert len(store) == 50
        assert all(store.find(str(n)) == Reply(str(n)) for n in range(50))


def test_a_forgotten_prompt_leaves_no_bytes_and_no_bill(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with ReplyStore(path) as store:
        for number in range(300):
            store.keep(str(number), "model", f"prompt of {number:03d}", Reply(f"answer to {number:03d}"))
        store.keep_wasted("7", "empty", Tokens(1, 2))
        store.keep_wasted("8", "empty", Tokens(3, 4))
        assert store.forget({"prompt of 007", "prompt of 299", "never asked"}) == 2
        assert (len(store), store.find("7"), store.wasted()) == (298, None, {"8": Tokens(3, 4)})
        kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"answer to 008" in kept
    assert not any(trace in kept for trace in (b"prompt of 007", b"answer to 007", b"prompt of 299"))


def test_everything_that_decides_a_reply_is_in_its_key() -> None:
    identity = {"endpoint": "http://a", "model": "m", "parameters": {"temperature": 0.0}}
    others = [
        {**identity, "endpoint": "http://b"},
        {**identity, "model": "n"},
        {**identity, "parameters": {"temperature": 0.5}},
    ]
    keys = {reply_key(identity, "p"), reply_key(identity, "q"), *(reply_key(other, "p") for other in others)}
    assert len(keys) == 5
    assert reply_key(dict(reversed(identity.items())), "p") == reply_key(identity, "p")


def test_a_file_that_is_no_store_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    path.write_text("this is a shopping list, and it is long enough to be read as a header " * 10)
    with pytest.raises(ArtifactError, match="not a reply store"):
        ReplyStore(path)
