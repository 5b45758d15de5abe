"""A server that answers as it is told, byte for byte, whatever HTTP has to say about it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = bytes | Callable[[socket.socket], None]
"""What is sent, or what sends it; the connection is closed then."""


class Server:
    """Answers each connection by the next of its answers; the last one goes on and on.

    Args:
        answers: in their order.
        listener: where it listens.
    """

    def __init__(self, answers: tuple[Answer, ...], listener: socket.socket) -> None:
        self.requests: list[bytes] = []
        self._answers, self._listener = answers, listener
        self.port: int = listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        for number in range(1_000_000):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            answer = self._answers[min(number, len(self._answers) - 1)]
            threading.Thread(target=self._one, args=(connection, answer), daemon=True).start()

    def _one(self, connection: socket.socket, answer: Answer) -> None:
        with connection, suppress(OSError):
            connection.settimeout(60)
            while request := _request(connection):
                self.requests.append(request)
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)
                if callable(answer) or b"keep-alive" not in answer:
                    connection.shutdown(socket.SHUT_WR)
                    return


def _request(connection: socket.socket) -> bytes:
    """Return one whole request; empty: there is none any more."""
    found = b""
    while b"\r\n\r\n" not in found:
        if not (part := connection.recv(65536)):
            return b""
        found += part
    head, _, body = found.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left = int(lengths[0].split(b":")[1]) - len(body) if lengths else 0
    while left > 0:
        part = connection.recv(min(left, 65536))
        found, left = found + part, left - len(part)
    return found


@contextmanager
def answering(*answers: Answer, host: str = "127.0.0.1") -> Iterator[Server]:
    """Serve answers on a port of this machine.

    Args:
        answers: one a connection; the last one for all others.
        host: where it listens.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield Server(answers, listener)
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def reply(
    body: str | bytes,
    *headers: str,
    status: str = "200 OK",
    kind: str = "application/json",
    length: str | None = None,
    close: bool = True,
) -> bytes:
    """Return an answer's bytes.

    Args:
        body: as it is.
        headers: more of them.
        status: code and phrase.
        kind: of the content.
        length: in place of the body's own.
        close: whether the connection ends with it.
    """
    content = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        *headers,
        f"Content-Length: {len(content) if length is None else length}",
        f"Connection: {'close' if close else 'keep-alive'}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content
