"""How long `scorerec prepare` takes and how much memory it needs, on made interactions of any number.

python benchmarks/prepare.py --rows 30000000 --format csv
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from scorerec.core.randomness import generator

BLOCK = 1_000_000  # interactions made at a time
FIRST_SECOND, LAST_SECOND = 1_400_000_000, 1_700_000_000  # UTC
CONFIG = """
name = "benchmark"
[data]
path = "{folder}"
repeats = "last"
[data.source]
name = "tabular"
ratings = "ratings.{suffix}"
items = "items.{suffix}"
columns = {{ user_id = "customer", item_id = "product", rating = "stars", timestamp = "at", title = "name" }}
"""
WRITERS = {"csv": pa_csv.CSVWriter, "parquet": pq.ParquetWriter}


def main() -> None:
    """Make the data, prepare it in a process of its own, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=30_000_000, help="interactions")
    parser.add_argument("--users", type=int, help="default: one per 30 interactions")
    parser.add_argument("--items", type=int, default=100_000, help="size of the catalogue")
    parser.add_argument("--format", choices=WRITERS, default="csv", help="of both files")
    parser.add_argument("--folder", type=Path, help="where the scratch folder goes (default: the system's)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scorerec-benchmark-", dir=arguments.folder) as scratch:
        folder = Path(scratch)
        n_users = arguments.users or max(arguments.rows // 30, 1)
        write_ratings(folder / f"ratings.{arguments.format}", (arguments.rows, n_users, arguments.items))
        write_table(folder / f"items.{arguments.format}", [catalogue(arguments.items)])
        print_measured(arguments.rows, arguments.format, *measure(folder, arguments.format))


def interactions(n_rows: int, n_users: int, n_items: int) -> Iterator[pa.Table]:
    """Yield interactions in no order of time; few users are busy and few items popular, as in real data."""
    for start in range(0, n_rows, BLOCK):
        random = generator(0, "benchmark", start)
        n = min(BLOCK, n_rows - start)
        users = (n_users * random.random(n) ** 2).astype(np.int64)
        items = (n_items * random.random(n) ** 3).astype(np.int64)
        yield pa.table(
            {
                "customer": identifiers("C", users),
                "product": identifiers("0", items),
                "stars": random.integers(1, 6, n).astype(np.int8),
                "at": random.integers(FIRST_SECOND, LAST_SECOND, n),
            }
        )


def catalogue(n_items: int) -> pa.Table:
    """Return an items table with a title for each product."""
    ids = identifiers("0", np.arange(n_items))
    return pa.table({"product": ids, "name": pa.array([f"Product number {item}" for item in ids.to_pylist()])})


def identifiers(prefix: str, numbers: np.ndarray) -> pa.Array:
    """Return text ids of ten characters: longer than a product needs, as shops have them."""
    return pa.array(np.char.add(prefix, np.char.zfill(numbers.astype("U9"), 9)))


def write_ratings(path: Path, sizes: tuple[int, int, int]) -> None:
    """Write (interactions, users, items) as a file."""
    write_table(path, interactions(*sizes))


def write_table(path: Path, blocks: Iterator[pa.Table] | list[pa.Table]) -> None:
    """Write blocks of one table, one at a time."""
    writer = None
    for block in blocks:
        writer = writer or WRITERS[path.suffix[1:]](path, block.schema)
        writer.write_table(block)
    if writer:
        writer.close()


def measure(folder: Path, suffix: str) -> tuple[float, float]:
    """Run the command as a user does; return its seconds and its peak resident memory in GiB."""
    config = folder / "benchmark.toml"
    config.write_text(CONFIG.format(folder=folder, suffix=suffix), encoding="utf-8")
    command = [sys.executable, "-c", "from scorerec.cli import main; main()"]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "prepare", str(config), "--out", str(folder / "prepared")])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"scorerec prepare failed with status {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1024**2  # Linux counts in KiB


def print_measured(n_rows: int, suffix: str, seconds: float, gibibytes: float) -> None:
    """Print a table of one row."""
    table = Table("interactions", "format", "seconds", "peak GiB", "rows a second")
    table.add_row(f"{n_rows:,}", suffix, f"{seconds:.1f}", f"{gibibytes:.2f}", f"{n_rows / seconds:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
