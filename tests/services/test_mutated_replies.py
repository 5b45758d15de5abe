"""Every call of every client, answered by what it expects, with one place of it spoilt.

What a call expects is learnt from the shapes that it reads replies by. What comes of a spoilt reply
is a value or one typed error that says what to do, whatever the place and whatever is put there.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import responses

from xswarm_deploy.errors import DeployError
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.anthropic import Anthropic
from xswarm_deploy.services.assets import Assets
from xswarm_deploy.services.cloudflare import Cloudflare
from xswarm_deploy.services.files import pages_files
from xswarm_deploy.services.http import Http
from xswarm_deploy.services.monitor import Monitor
from xswarm_deploy.services.openai import OpenAI
from xswarm_deploy.services.pages import Commit, Pages, PagesDeployment
from xswarm_deploy.services.queues import Consumer, Queue, Queues
from xswarm_deploy.services.r2 import R2
from xswarm_deploy.services.reply import Reply
from xswarm_deploy.services.routes import Domains, Routes
from xswarm_deploy.services.rulesets import HeaderRules, Setting
from xswarm_deploy.services.sendgrid import ParseSetting, SendGrid
from xswarm_deploy.services.sigv4 import Signer
from xswarm_deploy.services.slack import Slack
from xswarm_deploy.services.stripe import Stripe
from xswarm_deploy.services.telemetry import Query
from xswarm_deploy.services.twilio import Twilio
from xswarm_deploy.services.workflows import Workflows

pytestmark = pytest.mark.slow
BASE: Final = "https://api.example.test"
CLIENTS: Final[Mapping[str, Callable[[Http], object]]] = {
    "cloudflare": lambda http: Cloudflare(http, "acc"),
    "pages": lambda http: Cloudflare(http, "acc").pages,
    "assets": lambda http: Assets(http, "acc"),
    "queues": lambda http: Queues(http, "acc"),
    "workflows": lambda http: Workflows(http, "acc"),
    "domains": lambda http: Domains(http, "acc"),
    "routes": Routes,
    "rulesets": lambda http: HeaderRules(http, "zone"),
    "r2": lambda http: R2(http, Signer(Secret("a", "ID"), Secret("b", "KEY")), "bucket"),
    "stripe": Stripe,
    "twilio": lambda http: Twilio(http, "AC1"),
    "sendgrid": SendGrid,
    "anthropic": Anthropic,
    "openai": OpenAI,
    "slack": Slack,
    "monitor": Monitor,
}
CLASSES: Final = (
    *(Cloudflare, Pages, Assets, Queues, Workflows, Domains, Routes, HeaderRules, R2),
    *(Stripe, Twilio, SendGrid, Anthropic, OpenAI, Slack, Monitor),
)
BY_SOCKET: Final = ("tail", "listen", "overhear")
"""What goes on over a WebSocket; tests/services/test_tails.py has it."""
WITHOUT_REPLY: Final = ("open_ahead", "read_ahead")
"""What opens connections, and what is told by the call that takes it."""
SHORT: Final[Mapping[str, Mapping[str, Any]]] = {"finished": {"seconds": 2.0}}
"""What a method is told beyond what it needs, so that it does not wait for long."""
INSTEAD: Final = (None, -1, "x", [None])
WHOLE: Final = ("", "null", "<html>welcome</html>", "{")
XML: Final = (
    "<ListBucketResult/>",
    "<ListBucketResult><Contents/></ListBucketResult>",
    "<ListBucketResult><Contents><Key>a</Key><Size>x</Size></Contents></ListBucketResult>",
    "<ListBucketResult><Contents><Size>1e9</Size></Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    "<Error><Code>NoSuchKey</Code></Error>",
)
ABSENT: Final = object()


def _arguments(method: Callable[..., object], folder: Path) -> dict[str, Any]:
    """Return arguments for a method, by what it declares; what has a default is left."""
    made: Mapping[str, Any] = {
        "str": "a.test",
        "bytes": b"x",
        "float": 1.0,
        "int": 7,
        "bool": True,
        "Commit": Commit("main"),
        "PagesDeployment": PagesDeployment("d", "production", "https://a.test"),
        "Query": Query("shop", 1.0, 2.0),
        "Queue": Queue("q", "queue", (Consumer("c", "a.test", {}),)),
        "ParseSetting": ParseSetting("a.test", "https://a.test"),
        "Setting": Setting("true", "X-A", "1"),
        "Sequence[StaticFile]": pages_files(folder),
        "Iterable[str]": ["x"],
        "Sequence[Mapping[str, object]]": [],
    }
    needed = {
        name: str(parameter.annotation)
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is parameter.empty
    }
    return {name: {} if kind.startswith("Mapping") else made[kind] for name, kind in needed.items()}


def _calls() -> Iterator[tuple[str, str]]:
    for (client, _), class_ in zip(CLIENTS.items(), CLASSES, strict=True):
        for name, _ in inspect.getmembers(class_, inspect.isfunction):
            if not name.startswith("_") and name not in (*BY_SOCKET, *WITHOUT_REPLY):
                yield client, name


def _sample(wanted: Any) -> Any:
    """Return JSON of a shape, as small as it can be with something at every place."""
    origin, parts = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (types.UnionType, typing.Union):
        return _sample(next(part for part in parts if part is not type(None)))
    if origin in (typing.Required, typing.NotRequired):
        return _sample(parts[0])
    if origin in (list, tuple, frozenset):
        return [_sample(parts[0])]
    if origin is dict:
        return {"name": _sample(parts[1])}
    plain = {str: "success", int: 1, float: 1.0, bool: True}
    if wanted in plain:
        return plain[wanted]
    if wanted in (object, Any):
        return {"name": "x"}
    return {name: _sample(hint) for name, hint in typing.get_type_hints(wanted).items()}


def _spoilt(content: Any) -> Iterator[Any]:
    """Yield JSON as it is with each place in turn left out, or something else."""
    yield from INSTEAD
    if isinstance(content, dict):
        for name in content:
            yield {key: value for key, value in content.items() if key != name}
            yield from ({**content, name: other} for other in _spoilt(content[name]))
    if isinstance(content, list):
        for place, one in enumerate(content):
            yield from ([*content[:place], other, *content[place + 1 :]] for other in _spoilt(one))


def _named(call: str) -> str:
    """Return a call without its query, and without what is another in each."""
    return re.sub(r"[0-9a-f]{16}", "…", call.partition("?")[0])


class Answers:
    """Answer each path as is known of it; learn what is expected there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known: dict[str, list[Any]] = {}
        self.instead: tuple[str, Any] | None = None
        original = Reply.shaped

        def shaped(reply: Reply, content: object, wanted: Any) -> Any:
            shapes = self.known.setdefault(_named(reply.call), [])
            if wanted is not object and wanted not in shapes:
                shapes.append(wanted)
            return original(reply, content, wanted)

        monkeypatch.setattr(Reply, "shaped", shaped)

    def good(self, call: str) -> Any:
        """Return what is expected of a call, as far as it is known."""
        shapes = self.known.get(call, [])
        if not shapes:
            return {"success": True, "result": None}
        if shapes[0].__name__ != "_Envelope":
            return _sample(shapes[0])
        inner = _sample(shapes[1]) if len(shapes) > 1 else None
        info = {"total_pages": 1}
        return {"success": True, "errors": [], "result": inner, "result_info": info}

    def __call__(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        call = _named(f"{request.method} {str(request.url).removeprefix(BASE)}")
        self.known.setdefault(call, [])
        if self.instead and self.instead[0] == call:
            content = self.instead[1]
            return 200, {}, content if isinstance(content, str) else json.dumps(content)
        return 200, {}, json.dumps(self.good(call))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    made = Answers(monkeypatch)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
            mock.add_callback(method, re.compile(f"{BASE}.*"), made)
        yield made


def _learn(answers: Answers, act: Callable[[], object]) -> None:
    """Call until no reply is read by a shape that was not known."""
    while True:
        before = {call: len(shapes) for call, shapes in answers.known.items()}
        _outcome(act)
        if before == {call: len(shapes) for call, shapes in answers.known.items()}:
            return


def _outcome(act: Callable[[], object]) -> str:
    """Return what is wrong with how a call ended; empty: nothing."""
    try:
        found = act()
        if inspect.isgenerator(found):
            list(found)
    except DeployError as error:
        return "" if error.what and error.why else f"says nothing: {error!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize(("client", "name"), list(_calls()))
def test_a_spoilt_reply_ends_in_a_value_or_a_typed_error(
    answers: Answers, fake_time: Any, tmp_path: Path, client: str, name: str
) -> None:
    (tmp_path / "index.html").write_text("x")
    http = Http("Service", BASE, {}, clock=fake_time.clock, retries=0)
    method = getattr(CLIENTS[client](http), name)
    act = partial(method, **_arguments(method, tmp_path), **SHORT.get(name, {}))
    _learn(answers, act)
    found = {}
    for call in list(answers.known):
        for content in (*_spoilt(answers.good(call)), *WHOLE, *(XML if client == "r2" else ())):
            answers.instead = (call, content)
            if problem := _outcome(act):
                found[f"{call}: {json.dumps(content)[:200]}"] = problem
    assert found == {}
    assert answers.known or client in ("r2", "slack", "monitor"), "nothing was asked"
