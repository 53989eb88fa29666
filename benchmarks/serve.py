"""How many requests does a service answer, and how long do they take? Loopback only, and bounded.

python benchmarks/serve.py runs/quickstart [--seconds 20] [--clients 1 4 16] [--rate 0.5 1] [--soak 3600]

Starts `scorerec serve RUN`, twice: with what prompts begin with alike read once, and not. Closed loop: so many clients,
each of which asks again as soon as it is answered. Open loop: requests come at a rate, whoever still waits, and each is
timed from when it was to be sent. No history comes twice, so that no score is known already. `--soak` asks at half of
what one client reached, for so many seconds, adds and explains now and then, and says what memory did: the median of
each sixth of the time.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from scorerec.experiment.run import Run

WRITER = "benchmark"  # a user, who is forgotten in the end
Ask = Callable[[httpx.Client], int]


class Answered(NamedTuple):
    """Attributes: ``seconds`` until each answer; ``statuses``: how many of each; ``took``: seconds of all."""

    seconds: list[float]
    statuses: Counter[int]
    took: float


class Requests:
    """Requests of which no two are alike."""

    def __init__(self, run: Run, seed: int = 0):
        self._items, self._random = run.item_ids, random.Random(seed)
        self._lock = threading.Lock()

    def history(self) -> list[str]:
        with self._lock:
            return self._random.sample(self._items, 8)

    def score(self, count: int) -> Ask:
        return lambda client: self._post(client, "/v1/score", {"items": self._some(count)})

    def recommend(self, client: httpx.Client) -> int:
        return self._post(client, "/v1/recommend", {"top_n": 10})

    def explain(self, client: httpx.Client) -> int:
        return self._post(client, "/v1/explain", {"item": self._some(1)[0]})

    def mixed(self, client: httpx.Client) -> int:
        """Recommend; one time in ten something is added before, and one time in ten an item is explained instead."""
        with self._lock:
            chance = self._random.random()
        if chance < 0.1:
            return self.explain(client)
        if chance < 0.2:
            interaction = {"user_id": WRITER, "item_id": self._some(1)[0], "liked": True}
            client.post("/v1/behaviours", json={"interactions": [interaction]}).raise_for_status()
        return self.recommend(client)

    def _some(self, count: int) -> list[str]:
        with self._lock:
            return self._random.sample(self._items, count)

    def _post(self, client: httpx.Client, path: str, asked: dict[str, Any]) -> int:
        return client.post(path, json={"history": self.history(), **asked}).status_code


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rate", type=float, nargs="*", default=[0.5], help="requests a second, open loop")
    parser.add_argument("--soak", type=float, default=0, help="seconds at half load")
    parser.add_argument("--shared-only", action="store_true", help="not without shared beginnings")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    run, rows = Run.open(given.run), []
    for shares in (True,) if given.shared_only else (True, False):
        with served(given.run, f"serve.share_prefixes={str(shares).lower()}") as (address, process):
            requests = Requests(run)
            asks: dict[str, Ask] = {
                "score 20": requests.score(20),
                "score 100": requests.score(100),
                "recommend": requests.recommend,
                "explain": requests.explain,
            }
            for name, ask in asks.items():
                for clients in given.clients:
                    rows.append(row(name, shares, f"closed, {clients}", closed(address, ask, clients, given.seconds)))
                for rate in given.rate:
                    rows.append(row(name, shares, f"open, {rate:g}/s", opened(address, ask, rate, given.seconds)))
            if given.soak and shares:
                alone = next(one for one in rows if one["request"] == "recommend" and one["load"] == "closed, 1")
                rate = alone["per second"] / 2
                with watched_memory(process.pid) as mebibytes:
                    found = opened(address, requests.mixed, rate, given.soak)
                httpx.delete(f"{address}/v1/users/{WRITER}", timeout=600).raise_for_status()
                sixths = ", ".join(f"{np.median(part):.0f}" for part in np.array_split(mebibytes, 6))
                rows.append(
                    row("mixed", shares, f"open, {rate:.2f}/s, {given.soak:g} s", found)
                    | {"memory by sixths, MiB": sixths}
                )
    if given.json:
        print(json.dumps(rows, indent=1))
        return
    table = Table(*dict.fromkeys(name for one in rows for name in one))
    for one in rows:
        table.add_row(*(str(one.get(column.header, "")) for column in table.columns))
    Console(width=160).print(table)


@contextmanager
def served(run: Path, *settings: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve a run during the block, at an address of this machine alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from scorerec.cli import main; main()", "serve", str(run), "--port", str(port)]
    for setting in ("serve.requests_per_minute=1000000", "serve.timeout_seconds=600", *settings):
        command += ["--set", setting]
    begin, address = time.perf_counter(), f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True)
    try:
        while not is_up(address):
            if process.poll() is not None:
                raise SystemExit(f"the service ended with {process.returncode}")
            time.sleep(0.05)
        print(f"up after {time.perf_counter() - begin:.1f} s, {settings}", file=sys.stderr)
        yield address, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def watched_memory(pid: int) -> Iterator[list[float]]:
    """Note what a process holds during the block, in MiB, every second."""
    process, ended, found = psutil.Process(pid), threading.Event(), list[float]()

    def watch() -> None:
        while not ended.wait(1):
            found.append(process.memory_info().rss / 2**20)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        ended.set()
        watching.join()


def is_up(address: str) -> bool:
    """Whether requests are answered at once."""
    try:
        return httpx.get(f"{address}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def closed(address: str, ask: Ask, clients: int, seconds: float) -> Answered:
    """Let clients ask, each as soon as it is answered."""
    found: list[tuple[float, int]] = []
    begin = time.perf_counter()

    def work() -> None:
        with httpx.Client(base_url=address, timeout=600) as client:
            while time.perf_counter() - begin < seconds:
                asked = time.perf_counter()
                status = ask(client)
                found.append((time.perf_counter() - asked, status))

    run_all([threading.Thread(target=work) for _ in range(clients)])
    return answered(found, time.perf_counter() - begin)


def opened(address: str, ask: Ask, rate: float, seconds: float) -> Answered:
    """Let requests come at a rate, at random moments; each is timed from when it was to be sent."""
    found: list[tuple[float, int]] = []
    rng, begin = np.random.default_rng(0), time.perf_counter()
    moments = np.cumsum(rng.exponential(1 / rate, max(1, round(rate * seconds)))).tolist()

    def work(moment: float) -> None:
        time.sleep(max(0.0, begin + moment - time.perf_counter()))
        with httpx.Client(base_url=address, timeout=600) as client:
            status = ask(client)
        found.append((time.perf_counter() - begin - moment, status))

    for start in range(0, len(moments), 200):  # a thread each, some at a time
        run_all([threading.Thread(target=work, args=(moment,)) for moment in moments[start : start + 200]])
    return answered(found, time.perf_counter() - begin)


def run_all(threads: Sequence[threading.Thread]) -> None:
    """Start threads and wait for all."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def answered(found: Sequence[tuple[float, int]], took: float) -> Answered:
    """Return what came of requests."""
    return Answered([seconds for seconds, status in found if status == 200], Counter(s for _, s in found), took)


def row(request: str, shares: bool, load: str, found: Answered) -> dict[str, Any]:
    """Return a line of the table."""
    quantiles = np.quantile(found.seconds, [0.5, 0.95, 0.99]).tolist() if found.seconds else [float("nan")] * 3
    others = {status: count for status, count in found.statuses.items() if status != 200}
    return {
        "request": request,
        "beginnings": "shared" if shares else "each",
        "load": load,
        "answers": len(found.seconds),
        "per second": round(len(found.seconds) / found.took, 2),
        **{f"{name}, s": round(value, 2) for name, value in zip(("p50", "p95", "p99"), quantiles, strict=True)},
        "others": ", ".join(f"{count} x {status}" for status, count in others.items()) or "none",
    }


if __name__ == "__main__":
    main()
