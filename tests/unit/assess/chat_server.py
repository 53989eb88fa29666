"""A chat-completions server on this machine, with replies that a test scripts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, int], "tuple[int, Any]"]  # (prompt, how often it was asked before) -> (status, body)


def completion(text: str | None, finish_reason: str = "stop", usage: bool = True) -> dict[str, Any]:
    """Return the body of a chat completion."""
    body: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}],
    }
    if usage:
        body["usage"] = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
    return body


@dataclass
class ChatServer:
    """A running server: where it is, and what it was asked."""

    answer: Answer
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    under_way: int = 0

    @property
    def prompts(self) -> list[str]:
        return [body["messages"][0]["content"] for body in self.bodies]


@contextmanager
def chat_server(answer: Answer, seconds: float = 0.0) -> Iterator[ChatServer]:
    """Serve ``answer`` as ``/v1/chat/completions`` for the length of a block, each reply after some seconds."""
    server = ChatServer(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                prompt = body["messages"][0]["content"]
                before = server.prompts.count(prompt)
                server.bodies.append(body)
                server.keys.add(self.headers["Authorization"])
                server.under_way += 1
                server.most_at_once = max(server.most_at_once, server.under_way)
            time.sleep(seconds)
            status, reply = (404, {}) if self.path != "/v1/chat/completions" else server.answer(prompt, before)
            data = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
            with server.lock:
                server.under_way -= 1
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(reply, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Retry-After-Ms", "1")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
