from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deployment.errors import CheckFailed
from deployment.settings import Settings
from deployment.steps import verify
from deployment.steps.site import Site

Answers = dict[str, list[tuple[int, Any]]]


@pytest.fixture
def answers() -> Answers:
    """What the server answers by path: one after the other, the last one for ever."""
    return {"/health": [(200, {"status": "ok", "version": "v1"})]}


@pytest.fixture
def server(answers: Answers) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            left = answers.get(self.path, [(404, "none")])
            status, body = left.pop(0) if len(left) > 1 else left[0]
            if status == 0:
                self.connection.close()
                return
            sent = body if isinstance(body, str) else json.dumps(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent.encode())

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def at(settings: Callable[..., Settings], server: str) -> Callable[..., Site]:
    def make(*routes: dict[str, Any]) -> Site:
        project = {"verify": {"routes": list(routes), "performance_requests": 2}}
        return Site(settings(project, WORKER_URL=server))

    return make


def statuses(site: Site, version: str = "v1", **options: Any) -> dict[str, str]:
    report = verify.run(site, verify.live(site, version), **options)
    return {finding.name: finding.status for finding in report.findings}


def test_a_good_version_passes(at: Callable[..., Site]) -> None:
    site = at({"path": "/health", "json": ["status"]})
    assert statuses(site) == {"GET /health": "pass", "version": "pass", "performance": "pass"}


@pytest.mark.parametrize(
    ("answer", "route", "said"),
    [
        ((500, "boom"), {}, "500 instead of 200: boom"),
        ((404, ""), {}, "404 instead of 200"),
        ((200, "hello"), {"text": "goodbye"}, "without 'goodbye'"),
        ((200, {"a": 1}), {"json": ["a", "b"]}, "has no b"),
        ((200, "no json"), {"json": ["a"]}, "has no a"),
        ((0, ""), {}, "no answer"),
    ],
)
def test_each_wrong_answer_is_a_critical_failure(
    at: Callable[..., Site],
    answers: Answers,
    answer: tuple[int, Any],
    route: dict[str, Any],
    said: str,
) -> None:
    answers["/x"] = [answer]
    site = at({"path": "/x", **route})
    report = verify.run(site, verify.live(site))
    (failure,) = report.failures
    assert said in failure.evidence


def test_one_transient_error_is_forgiven_two_are_not(
    at: Callable[..., Site], answers: Answers
) -> None:
    answers["/x"] = [(503, "moment"), (200, "ok")]
    assert statuses(at({"path": "/x"}))["GET /x"] == "pass"
    answers["/x"] = [(503, "moment"), (503, "moment"), (200, "ok")]
    assert statuses(at({"path": "/x"}))["GET /x"] == "fail"


def test_a_refusal_that_is_wanted_passes(at: Callable[..., Site], answers: Answers) -> None:
    answers["/stripe/webhook"] = [(400, "no signature")]
    site = at({"path": "/stripe/webhook", "method": "POST", "body": "{}", "status": [400, 401]})
    assert statuses(site)["POST /stripe/webhook"] == "pass"


def test_another_version_answering_fails(
    at: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_SETTLE_SECONDS_HERE", 0.1)
    assert statuses(at(), version="v2")["version"] == "fail"


def test_a_worker_that_names_no_version_is_not_passed_blindly(
    at: Callable[..., Site], answers: Answers
) -> None:
    answers["/health"] = [(200, {"status": "ok"})]
    assert statuses(at())["version"] == "unknown"


def test_the_gate_names_what_failed(at: Callable[..., Site]) -> None:
    site = at({"path": "/gone"})
    with pytest.raises(CheckFailed) as caught:
        verify.gate(site, verify.dark(site, "v1"))
    assert "GET /gone: 404" in caught.value.why


def test_quick_asks_only_what_is_marked(at: Callable[..., Site]) -> None:
    site = at({"path": "/health", "quick": True}, {"path": "/gone"})
    assert statuses(site, quick=True) == {"GET /health": "pass", "version": "pass"}
