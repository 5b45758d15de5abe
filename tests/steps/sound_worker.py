"""A small Worker and site over real HTTP, sound in all that verification looks at, or not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ALLOWED = "https://xswarm.test"
HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
CLIENT = "88bf3b6d86161464f6509f7219099e57.access"
LOGIN = "https://team.cloudflareaccess.com/cdn-cgi/access/login/xswarm.test?kid=1"
GUARDS = {
    "access": (302, "", {"Location": LOGIN}),
    "challenge": (403, "<title>Just a moment...</title>", {"cf-mitigated": "challenge"}),
}
PAGES = {
    "/": '<html><link rel="stylesheet" href="/styles.css"><a href="pricing?a=1#top">Pricing</a>'
    '<a href="https://elsewhere.test/x">x</a><a href="mailto:a@b.test">mail</a>'
    '<img src="logo.svg">',
    "/pricing?a=1": '<html><script src="/code.js"></script><a href="/old">Old</a>',
    "/styles.css": "body {}",
    "/logo.svg": "<svg/>",
    "/code.js": "1",
}


@dataclass
class SoundWorker:
    """What the server keeps, and in which ways it is bad.

    Args:
        bad: names of defects, as the handlers below ask for them.
        answers: path → answers given one after the other, the last one for ever.
        delay: seconds each answer of ``/health`` takes, by version.
        guard: what of Cloudflare's stands before it, ``access`` or ``challenge``; empty: nothing.
    """

    bad: set[str] = field(default_factory=set)
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    delay: dict[str, float] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    url: str = ""
    guard: str = ""

    def token(self, email: str) -> str:
        head = _encoded({"alg": "HS256"}) + "." + _encoded({"sub": email})
        return f"{head}.{self._signature(head)}"

    def owner(self, token: str) -> str | None:
        """Return whose token it is; a defect lets a kind of forgery through."""
        head, _, signature = token.rpartition(".")
        try:
            claims = json.loads(base64.urlsafe_b64decode(head.split(".")[1] + "=="))
            algorithm = json.loads(base64.urlsafe_b64decode(head.split(".")[0] + "=="))["alg"]
        except (ValueError, IndexError, KeyError):
            return None
        known = hmac.compare_digest(self._signature(head), signature)
        unsigned = algorithm == "none" and "takes unsigned tokens" in self.bad
        if known or unsigned or "takes any token" in self.bad:
            return str(claims.get("sub"))
        return None

    def _signature(self, head: str) -> str:
        digest = hmac.new(self.key, head.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Handler(BaseHTTPRequestHandler):
    """Answer as the Worker, and as its static site under another host name."""

    worker: SoundWorker

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        self.worker.asked.append(f"{self.command} {self.path}")
        if self.worker.guard and self.headers.get("CF-Access-Client-Id") != CLIENT:
            self._send(*GUARDS[self.worker.guard])
        elif self.headers.get("Host", "").startswith("localhost"):
            self._page()
        elif self.path in self.worker.answers:
            self._scripted(self.worker.answers[self.path])
        else:
            self._route(body)

    do_GET = do_POST = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def _scripted(self, left: list[tuple[int, Any]]) -> None:
        status, body = left.pop(0) if len(left) > 1 else left[0]
        if status == 0:
            self.connection.close()
            return
        self._send(status, body)

    def _route(self, body: str) -> None:
        bad = self.worker.bad
        if self.path == "/health":
            version = self.headers.get("Cloudflare-Workers-Version-Overrides", "v1").split('"')
            name = version[1] if len(version) > 1 else "v1"
            time.sleep(self.worker.delay.get(name, 0.0))
            self._send(200, {"status": "pass", "version": name})
        elif self.path == "/limited":
            self._send(200, {}, self._limits())
        elif self.path == "/account":
            self._account()
        elif self.path in ("/signup", "/login") and body:
            self._accounts(json.loads(body))
        else:
            self._send(404, {"error": "not found", "bad": sorted(bad)})

    def _limits(self) -> dict[str, str]:
        if "no limit told" in self.worker.bad:
            return {}
        limit = "7" if "another limit" in self.worker.bad else "60"
        left = "60" if "does not count" in self.worker.bad else "59"
        return {"RateLimit-Limit": limit, "RateLimit-Remaining": left}

    def _accounts(self, sent: dict[str, str]) -> None:
        worker, email, password = self.worker, sent["email"], sent["password"]
        if self.path == "/signup":
            worker.accounts[email] = password
            if "loses the reply" in worker.bad:
                self.connection.close()
                return
            failed = "sign up fails" in worker.bad
            self._send(500 if failed else 201, self._signed_in(email), self._cookie())
            return
        known = worker.accounts.get(email)
        right = known == password or (known and "takes any password" in worker.bad)
        if "login fails" in worker.bad and known == password:
            self._send(500, {})
        else:
            self._send(200 if right else 401, self._signed_in(email) if right else {})

    def _signed_in(self, email: str) -> dict[str, str]:
        return {} if "gives no token" in self.worker.bad else {"token": self.worker.token(email)}

    def _cookie(self) -> dict[str, str]:
        lax = "HttpOnly; " if "cookie for scripts" not in self.worker.bad else ""
        return {"Set-Cookie": f"session=x; Path=/; {lax}SameSite=Lax"}

    def _account(self) -> None:
        worker = self.worker
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        email = worker.owner(token) if scheme == "Bearer" else None
        if email is None and "needs no token" in worker.bad:
            email = next(iter(worker.accounts), None)
        if "another account" in worker.bad and email:
            self._send(200, {"email": "somebody@else.test"})
        elif email not in worker.accounts:
            self._send(401, {})
        elif self.command == "DELETE":
            self._delete(email)
        else:
            self._send(200, {"email": email})

    def _delete(self, email: str) -> None:
        if "keeps accounts" not in self.worker.bad:
            del self.worker.accounts[email]
        self._send(500 if "delete fails" in self.worker.bad else 204, "")

    def _page(self) -> None:
        if self.path == "/old":
            self._send(301, "", {"Location": "/"})
        elif self.path not in PAGES or self.path in self.worker.bad:
            self._send(404, "not found")
        else:
            html = PAGES[self.path].startswith("<html")
            self._send(200, PAGES[self.path], {"Content-Type": "text/html" if html else "x/y"})

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        sent = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {**self._browsers(), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def _browsers(self) -> dict[str, str]:
        bad, origin = self.worker.bad, self.headers.get("Origin", "")
        headers = dict(HEADERS)
        if "no headers" in bad:
            headers = {}
        if "another header" in bad:
            headers["X-Content-Type-Options"] = "sniff"
        if origin == ALLOWED and "refuses its origin" not in bad:
            headers["Access-Control-Allow-Origin"] = origin
        if "allows every origin" in bad and origin:
            headers["Access-Control-Allow-Origin"] = origin
        return headers

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64  # connections at once; the rest would wait a second each


@contextmanager
def serving(worker: SoundWorker) -> Iterator[SoundWorker]:
    """Serve it on a free port until the block ends."""
    handler = type("BoundHandler", (Handler,), {"worker": worker})
    listening = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    worker.url = f"http://127.0.0.1:{listening.server_port}"
    try:
        yield worker
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
