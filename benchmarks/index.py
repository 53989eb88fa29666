"""How the index of behaviours answers at 10^5 and 10^6 users, against brute force in double precision in the same run.

python benchmarks/index.py --users 100000 1000000 --dimensions 64 384
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from scorerec.core.randomness import generator
from scorerec.core.tables import BEHAVIOURS
from scorerec.retrieve.index import BehaviourIndex
from scorerec.retrieve.vectors import vector_table

BLOCK = 50_000  # behaviours added at a time
K = 10
N_QUERIES, N_BATCH = 100, 256
N_CLUSTERS, SPREAD = 1000, 0.6  # a vector is its cluster's centre and this share of noise


def main() -> None:
    """Measure each size in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[64, 384])
    parser.add_argument("--folder", type=Path, help="where the scratch folder goes (default: the system's)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print_rows([measure(arguments.users[0], arguments.dimensions[0], arguments.folder)])
        return
    for users in arguments.users:
        for dimension in arguments.dimensions:
            size = ["--users", str(users), "--dimensions", str(dimension)]
            folder = ["--folder", str(arguments.folder)] if arguments.folder else []
            subprocess.run([sys.executable, __file__, "--alone", *size, *folder], check=True)


def measure(n_users: int, dimension: int, folder: Path | None) -> dict[str, str]:
    """Fill an index, search it, write to it under a reader, and forget."""
    vectors, queries = clustered(n_users, dimension)
    owners = [f"u{number:08d}" for number in range(n_users)]
    asking, snapshots = owners[:N_BATCH], [0] * N_BATCH  # each query is the history of a user who is in the index
    with tempfile.TemporaryDirectory(prefix="scorerec-benchmark-", dir=folder) as scratch:
        path = Path(scratch) / "index.sqlite"
        with BehaviourIndex.create(path, "benchmark", dimension) as index:
            fill = timed(lambda: add(index, owners, vectors))
            loaded = timed(lambda: index.search(queries[:1], K, asking[:1], [0]))
            single = [
                timed(lambda row=row: index.search(queries[row : row + 1], K, asking[row : row + 1], [0]))
                for row in range(N_QUERIES)
            ]
            batch = timed(lambda: index.search(queries, K, asking, snapshots)) / N_BATCH
            hits = index.search(queries[:N_QUERIES], K, asking[:N_QUERIES], snapshots[:N_QUERIES])
            found = [[int(hit.behaviour_id[1:]) for hit in row] for row in hits]
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # Linux counts in KiB
            with BehaviourIndex.open(path) as other:
                written = timed(lambda: add(other, owners[:1], vectors[:1]))
                again = timed(lambda: index.search(queries[:1], K, asking[:1], [0]))
                forgotten = timed(lambda: other.delete_user(owners[-1]))
            size = path.stat().st_size
    brute, exact = brute_force(vectors, queries[:N_QUERIES])
    recall = np.mean([len(set(mine) & set(best)) / K for mine, best in zip(found, exact, strict=True)])
    return {
        "users": f"{n_users:,}",
        "dimension": str(dimension),
        "recall@10": f"{recall:.4f}",
        "one query, p50 / p95 ms": "{:.1f} / {:.1f}".format(*np.percentile(single, [50, 95]) * 1000),
        f"of {N_BATCH}, ms each": f"{batch * 1000:.2f}",
        "brute force, p50 ms": f"{np.median(brute) * 1000:.1f}",
        "fill s": f"{fill:.1f}",
        "first search s": f"{loaded:.1f}",
        "write one ms": f"{written * 1000:.0f}",
        "search after it ms": f"{again * 1000:.0f}",
        "forget one s": f"{forgotten:.1f}",
        "file GiB": f"{size / 2**30:.2f}",
        "peak GiB": f"{memory:.2f}",
    }


def clustered(n_users: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of unit length (n_users, dimension) and, near the first of them, queries; float32."""
    random = generator(0, "benchmark", n_users, dimension)
    vectors = random.standard_normal((n_users, dimension), dtype=np.float32)
    vectors *= SPREAD
    centres = random.standard_normal((N_CLUSTERS, dimension), dtype=np.float32)
    for first in range(0, n_users, BLOCK):
        part = vectors[first : first + BLOCK]
        part += centres[random.integers(N_CLUSTERS, size=len(part))]
        part /= np.linalg.norm(part, axis=1)[:, None]
    noise = random.standard_normal((N_BATCH, dimension), dtype=np.float32) / dimension**0.5
    return vectors, vectors[:N_BATCH] + 0.2 * noise


def add(index: BehaviourIndex, owners: list[str], vectors: np.ndarray) -> None:
    """Add one behaviour of five items for each owner."""
    for first in range(0, len(owners), BLOCK):
        names = owners[first : first + BLOCK]
        n = len(names)
        items = pa.array([["1", "22", "333", "4444", "55555"]] * n, pa.list_(pa.string()))
        table = pa.table([names, names, [0] * n, [1] * n, items], schema=BEHAVIOURS.columns)
        index.add(table, vector_table("behaviour_id", names, vectors[first : first + BLOCK]))


def brute_force(vectors: np.ndarray, queries: np.ndarray) -> tuple[list[float], list[list[int]]]:
    """Return seconds and answers of the plain way, for the users themselves: all products in double, all sorted."""
    precise, seconds, best = vectors.astype(np.float64), [], []
    for row, query in enumerate(queries.astype(np.float64)):
        start = time.perf_counter()
        similarity = precise @ query
        similarity[row] = -np.inf
        order = np.argpartition(-similarity, K)[:K]
        seconds.append(time.perf_counter() - start)
        best.append(order.tolist())
    return seconds, best


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def print_rows(rows: list[dict[str, str]]) -> None:
    """Print what was measured, a line each."""
    table = Table("measured", *(f"{row['users']} x {row['dimension']}" for row in rows))
    for name in list(rows[0])[2:]:
        table.add_row(name, *(row[name] for row in rows))
    Console().print(table)


if __name__ == "__main__":
    main()
