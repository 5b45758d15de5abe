"""Which version answers: how it is found out, waited for, and said where nobody can know."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
import requests

from tests.steps.fakes import FakeCloudflare
from xswarm_deploy.errors import CheckFailed, Refused, StepFailed
from xswarm_deploy.model.report import Finding
from xswarm_deploy.services.cloudflare.versions import Version
from xswarm_deploy.services.tails import Tail
from xswarm_deploy.settings.project import Route
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.verification import address, nowhere, proof, prospect, verify, version
from xswarm_deploy.verification.asker import Answer, Ask, Asker
from xswarm_deploy.verification.target import NO_VERSION, OVERRIDE, has_none, overridable

NEW = "aaaaaaaa-1111"
SILENT = {"version_path": "", "performance_requests": 0}
NOTHING = "<h1>There is nothing here yet</h1> ray %s"


@dataclass
class Edge:
    """Answers by a version, and lets a tail hear of it, as a test wants.

    Args:
        answering: the version of each answer by the override, the last one for all that follow.
        there: whether the preview host is there.
        silent: whether no invocation is heard.
        status: of a version's answers.
        text: of the answers that are none of a preview host.
    """

    answering: list[str] = field(default_factory=lambda: [NEW])
    there: bool = True
    silent: bool = False
    status: int = 200
    text: str = ""
    tail: Tail = field(default_factory=Tail)
    asked: list[str] = field(default_factory=list)

    def once(self, asker: Asker, _ask: Ask) -> Answer:
        host = asker.target.headers.get("Host", "")
        if host:
            self.asked.append(host.partition("-")[0])
            if NO_VERSION in host or not self.there:
                return Answer(404, NOTHING % f"{len(self.asked):016x}", 1.0)
            return Answer(self.status, "not found", 1.0)
        self.asked.append("override" if OVERRIDE in asker.target.headers else "live")
        answered = self.answering.pop(0) if len(self.answering) > 1 else self.answering[0]
        if not self.silent:
            tag = asker.target.tag
            self.tail._heard.setdefault(tag, Counter())[answered] += 1
        return Answer(self.status, self.text, 1.0)

    @contextmanager
    def tailed(self, _name: str) -> Iterator[Tail]:
        yield self.tail


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> Edge:
    made = Edge()
    monkeypatch.setattr(Asker, "once", lambda asker, ask: made.once(asker, ask))
    for module, name, seconds in (
        (version, "SETTLE_SECONDS_HERE", 0.5),
        (proof, "SILENCE_HERE", 0.1),
        (proof, "_EVENT_HERE", 0.02),
        (proof, "PAUSE", 0.01),
    ):
        monkeypatch.setattr(module, name, seconds)
    return made


@pytest.fixture
def site(settings: Callable[..., Settings], edge: Edge) -> Site:
    made = Site(settings({"uses": "monitoring", "verify": SILENT}))
    fake = FakeCloudflare(splits=[{"old": 100.0, NEW: 0.0}], made=["old", NEW])
    fake.tail = edge.tailed  # type: ignore[method-assign, assignment]
    made.__dict__["cloudflare"] = fake
    return made


def named(site: Site, name: str) -> Site:
    project = site.settings.project
    worker = project.worker._replace(name=name)
    made = Site(replace(site.settings, project=project._replace(worker=worker)))
    made.__dict__["cloudflare"] = site.cloudflare
    return made


def found(site: Site, target: verify.Target | None = None) -> proof.Proof:
    asker = Asker(site, target or verify.dark(site, NEW), requests.Session())
    with proof.opened(asker) as made:
        return made


def test_a_tail_shows_who_answers(site: Site, edge: Edge) -> None:
    made = found(site)
    assert (made.means, made.known, made.asker.target.proven) == ("tail", True, True)
    assert edge.asked == ["override"] * version.TIMES


def test_a_deployment_is_waited_for(site: Site, edge: Edge) -> None:
    edge.answering = ["old", "old", NEW, "old", NEW]
    assert found(site).known
    assert edge.asked == ["override"] * (4 + version.TIMES)


def test_one_that_never_comes_fails(
    site: Site, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "patience", lambda _asker: 0.1)
    edge.answering = ["old"]
    made = found(site)
    assert (made.known, made.failed) == (False, True)
    assert made.wrong == f"old answers instead of {NEW}"
    with pytest.raises(CheckFailed, match="old answers instead"):
        verify.gate(site, verify.dark(site, NEW))


def test_another_version_in_between_is_found_out(site: Site, edge: Edge) -> None:
    made = found(site).renewed()
    assert made.checked().known
    edge.answering = ["old", NEW]
    made.asker.once(Ask("/"))
    assert made.checked().wrong == "old gave 1 answers"


def test_a_version_whose_code_gave_no_answer_is_worth_a_look(site: Site, edge: Edge) -> None:
    """All that was asked were static files: the code may be broken, and nobody looked."""
    made = found(site).renewed()
    warned = made.finding()
    assert (warned.status, warned.critical) == ("warn", False)
    assert "no answer of its code was looked at" in warned.evidence
    assert warned.remedy.startswith("inv verify.suggest")
    made.asker.once(Ask("/api/orders"))
    assert (made.finding().status, made.finding().remedy) == ("pass", "")


def test_what_was_asked_meanwhile_is_asked_again_and_then_fails(site: Site, edge: Edge) -> None:
    edge.answering = [*[NEW] * version.TIMES, "old", NEW]
    assert verify.run(site, verify.dark(site, NEW)).ok
    edge.answering = [*[NEW] * version.TIMES, "old", NEW, "old", NEW]
    (failure,) = verify.run(site, verify.dark(site, NEW)).failures
    assert failure.evidence == "old gave 1 answers"


def test_a_tail_that_falls_silent_proves_nothing_any_more(site: Site, edge: Edge) -> None:
    made = found(site).renewed()
    edge.silent = True
    assert (made.checked().wrong, made.checked().failed) == ("the tail fell silent", False)


def test_where_no_invocation_is_heard_the_preview_host_is_asked(site: Site, edge: Edge) -> None:
    edge.silent = True
    made = found(site)
    assert (made.means, made.known) == ("preview", True)
    assert made.asker.target.alone


@pytest.mark.parametrize("name", ["3d-viewer", "_x", "-a", "9"])
def test_a_name_that_is_no_key_is_never_overridden(site: Site, edge: Edge, name: str) -> None:
    assert not overridable(name)
    made = found(named(site, name))
    assert (made.means, made.known) == ("preview", True)
    assert set(edge.asked) == {NEW[:8]}


@pytest.mark.parametrize("name", ["viewer", "a-9", "boss_ai", "*x", "a.b"])
def test_others_are(name: str) -> None:
    assert overridable(name)


def test_a_page_of_nothing_at_the_preview_host_is_no_version(
    site: Site, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "patience", lambda _asker: 0.1)
    edge.there = False
    made = found(site, verify.preview(site, NEW))
    assert (made.known, made.failed, made.means) == (False, False, "none")
    assert "nothing is deployed" in made.wrong
    with pytest.raises(CheckFailed, match="nothing proves that version aaaaaaaa answers"):
        verify.gate(site, verify.preview(site, NEW))


def test_a_404_of_the_version_itself_is_one(site: Site, edge: Edge) -> None:
    edge.status = 404
    assert found(site, verify.preview(site, NEW)).known
    assert verify.gate(site, verify.preview(site, NEW)).ok


def test_without_tail_and_preview_hosts_nothing_is_asked_unless_allowed(
    site: Site, edge: Edge, settings: Callable[..., Settings]
) -> None:
    edge.silent = True
    site.cloudflare.previews = False  # type: ignore[attr-defined]
    with pytest.raises(CheckFailed, match="preview URLs are off") as refused:
        verify.gate(site, verify.dark(site, NEW))
    assert "deploy.verify.unproven: allow" in refused.value.remedy
    allowing = Site(
        settings({"uses": "monitoring", "verify": {"performance_requests": 0, "unproven": "allow"}})
    )
    allowing.__dict__["cloudflare"] = site.cloudflare
    report = verify.gate(allowing, verify.dark(allowing, NEW))
    assert {f.name: f.status for f in report.findings} == {"GET /": "pass", "version": "warn"}


def test_what_is_live_and_cannot_be_proven_must_not_be_404(site: Site, edge: Edge) -> None:
    edge.silent, edge.status = True, 404
    (failure,) = verify.run(site, verify.live(site, "old"), quick=True).failures
    assert failure.evidence.startswith("404 instead of")


def test_a_release_is_refused_beforehand_where_nothing_would_prove_it(site: Site) -> None:
    assert prospect.foreseen(site, live=False).means == "preview"
    site.cloudflare.subdomain = ""  # type: ignore[attr-defined]
    with pytest.raises(Refused, match=r"no name under workers\.dev") as refused:
        prospect.required(site, live=False)
    assert "Workers & Pages" in str(refused.value)
    assert "by a tail" in prospect.required(site, live=True)


def test_one_without_address_is_asked_at_its_preview_host(
    site: Site, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nowhere, "has_none", lambda _site: True)
    monkeypatch.setattr(prospect, "has_none", lambda _site: True)
    assert prospect.foreseen(site, live=True).means == "preview"
    assert verify.gate(site, verify.dark(site, NEW)).ok
    assert set(edge.asked) <= {NEW[:8], NO_VERSION}
    site.cloudflare.previews = False  # type: ignore[attr-defined]
    with pytest.raises(CheckFailed, match="nothing proves") as refused:
        verify.gate(site, verify.dark(site, NEW))
    assert "the Worker has no address" in refused.value.why
    with pytest.raises(Refused, match="preview URLs are off"):
        prospect.required(site, live=True)


@pytest.mark.parametrize(
    ("handlers", "status", "said"),
    [
        (("scheduled", "queue"), "pass", "handles scheduled, queue; no request reaches it"),
        (("queue",), "fail", "handles queue, and not scheduled: see triggers.crons"),
    ],
)
def test_one_that_handles_events_alone_is_judged_by_its_handlers(
    site: Site, edge: Edge, handlers: tuple[str, ...], status: str, said: str
) -> None:
    configured(site, triggers={"crons": ["* * * * *"]}, queues={"consumers": [{"queue": "q"}]})
    of_version(site, handlers)
    edge.status = 500
    found = verify.run(site, verify.dark(site, NEW))
    (finding,) = found.findings
    assert (finding.status, found.ok) == (status, status == "pass")
    assert said in finding.evidence
    assert edge.asked == ["override"], "whether requests reach it is asked, not believed"
    assert prospect.foreseen(site, live=True).means == "handlers"
    of_version(site, ("fetch", "queue"))
    assert prospect.foreseen(site, live=True).means != "handlers"


@pytest.mark.parametrize("handler", ["email", "scheduled", "tail"])
def test_events_that_wranglers_file_does_not_know_of_are_events_all_the_same(
    site: Site, edge: Edge, handler: str
) -> None:
    """No key of it says that mail comes; a cron may be the dashboard's, a tail another Worker's."""
    configured(site, main="mail.js")
    of_version(site, (handler,))
    edge.status = 500
    (finding,) = verify.run(site, verify.dark(site, NEW)).findings
    assert finding.status == "pass"
    assert f"handles {handler}; no request reaches it" in finding.evidence
    configured(site, main="mail.js", routes=["shop.example.com/*"])
    assert not verify.run(site, verify.dark(site, NEW)).ok


def test_handlers_without_requests_are_not_believed_where_requests_are_answered(
    site: Site, edge: Edge
) -> None:
    """As of a class that inherits its handler of requests."""
    configured(site, triggers={"crons": ["* * * * *"]})
    of_version(site, ("scheduled",))
    assert {f.name for f in verify.run(site, verify.dark(site, NEW)).findings} == {
        "GET /",
        "version",
    }
    edge.status = 500
    project = site.settings.project
    routes = project.verify._replace(routes=(Route("/buy"),))
    asked = Site(replace(site.settings, project=project._replace(verify=routes)))
    asked.__dict__["cloudflare"] = site.cloudflare
    assert not verify.run(asked, verify.dark(asked, NEW)).ok
    assert prospect.foreseen(asked, live=True).means != "handlers"


def configured(site: Site, **content: object) -> None:
    """Write wrangler's file; by default none is there."""
    config = site.settings.path(site.settings.project.worker.config)
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({"name": site.worker, **content}))


def of_version(site: Site, handlers: tuple[str, ...]) -> None:
    """Let Cloudflare tell of every version which events it handles."""
    found = Version(NEW, handlers=handlers)
    site.cloudflare.version = lambda _name, _version: found  # type: ignore[method-assign,assignment]


def test_files_alone_are_proven_at_the_preview_host_and_no_tail_is_waited_for(
    site: Site, edge: Edge
) -> None:
    configured(site, assets={"directory": "public"})
    edge.silent = True
    assert prospect.foreseen(site, live=True).means == "preview"
    assert verify.gate(site, verify.dark(site, NEW)).ok
    assert "override" not in edge.asked
    site.cloudflare.previews = False  # type: ignore[attr-defined]
    with pytest.raises(CheckFailed) as caught:
        verify.gate(site, verify.dark(site, NEW))
    assert "static files invoke no Worker" in caught.value.why
    assert '"preview_urls": true' in caught.value.remedy
    assert "version_path" not in caught.value.remedy


def test_files_that_are_live_are_proven_by_being_those_of_the_version(
    site: Site, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(site, assets={"directory": "public"})
    monkeypatch.setattr(version, "patience", lambda _asker: 0.2)
    told = proven(site)
    assert told.status == "unknown"
    assert "/ is not answered as that version answers at its preview host" in told.evidence
    edge.text = "not found"  # as at the version's own address
    told = proven(site)
    assert (told.status, told.evidence) == (
        "pass",
        "old, by its files, which are those at its own preview host",
    )


def proven(site: Site) -> Finding:
    return next(f for f in verify.run(site, verify.live(site)).findings if f.name == "version")


@pytest.mark.parametrize(
    ("url", "file", "none"),
    [
        ("https://none.invalid", {}, True),
        ("https://shop.example.com", {"workers_dev": False}, False),
        ("http://127.0.0.1:1", {"workers_dev": False}, True),
        ("http://127.0.0.1:1", {"workers_dev": False, "route": "a.example/*"}, False),
        ("http://127.0.0.1:1", {}, False),
    ],
)
def test_who_has_no_address(
    settings: Callable[..., Settings], url: str, file: dict[str, object], none: bool
) -> None:
    made = settings({"worker": {"config": "wrangler.json"}}, WORKER_URL=url)
    made.path("wrangler.json").write_text(json.dumps(file))
    assert has_none(Site(made)) is none


def test_an_address_is_waited_for(site: Site, edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "PATIENCE_HERE", 0.1)
    edge.silent, edge.status = True, 404
    with pytest.raises(StepFailed, match="is not answered by version old") as refused:
        address.wait(site, "old")
    assert "HTTP 404; a tail shows none of our requests" in refused.value.why
    edge.silent, edge.answering = False, ["old"]
    address.wait(site, "old")  # a 404 of the version's own
    edge.silent, edge.status = True, 200
    address.wait(site, "old")
