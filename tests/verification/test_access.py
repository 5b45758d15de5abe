"""Cloudflare's own before a Worker: no version answers, and a service token passes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.steps.fakes import FakeCloudflare
from tests.steps.sound_worker import CLIENT, GUARDS, SoundWorker, serving
from xswarm_deploy.errors import CheckFailed
from xswarm_deploy.model.report import Limited
from xswarm_deploy.services import access
from xswarm_deploy.services.http import Http
from xswarm_deploy.settings.settings import Settings
from xswarm_deploy.site import Site
from xswarm_deploy.verification import proof, verify, version
from xswarm_deploy.webhooks.probes import Delivery, delivered

SILENT = {"version_path": "", "performance_requests": 0, "skip": "site"}
TOKEN = {"ACCESS_CLIENT_ID": CLIENT, "ACCESS_CLIENT_SECRET": "a-secret-of-a-service-token"}


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundWorker]:
    monkeypatch.setattr(version, "SETTLE_SECONDS_HERE", 0.3)
    monkeypatch.setattr(proof, "SILENCE_HERE", 0.1)
    with serving(SoundWorker(answers={"/": [(200, "hello")]})) as made:
        yield made


@pytest.fixture
def at(settings: Callable[..., Settings], worker: SoundWorker) -> Callable[..., Site]:
    def make(**values: str) -> Site:
        site = Site(
            settings({"uses": "monitoring", "verify": SILENT}, WORKER_URL=worker.url, **values)
        )
        fake = FakeCloudflare(splits=[{"v1": 100.0}], made=["v1"])
        fake.tailed = None
        site.__dict__["cloudflare"] = fake
        return site

    return make


@pytest.mark.parametrize("guard", GUARDS)
def test_a_login_or_a_challenge_is_no_version_at_its_preview_host(
    at: Callable[..., Site], worker: SoundWorker, guard: str
) -> None:
    """Without routes the root may answer anything below 500: it was taken for the version's."""
    site = at()
    assert verify.gate(site, verify.preview(site, "v1")).ok
    worker.guard = guard
    with pytest.raises(CheckFailed) as caught:
        verify.gate(site, verify.preview(site, "v1"))
    assert "Cloudflare" in caught.value.why
    assert "answers at its preview host" in caught.value.why
    assert access.ID in caught.value.why


def test_a_service_token_passes_it(at: Callable[..., Site], worker: SoundWorker) -> None:
    worker.guard = "access"
    site = at(**TOKEN)
    assert verify.gate(site, verify.preview(site, "v1")).ok


@pytest.mark.parametrize("guard", GUARDS)
def test_before_what_is_live_it_is_neither_a_pass_nor_a_failure(
    at: Callable[..., Site], worker: SoundWorker, guard: str
) -> None:
    worker.guard = guard
    site = at()
    report = verify.run(site, verify.live(site, "v1"))
    (root,) = (one for one in report.findings if one.name == "GET /")
    assert (root.status, root.remedy) == ("unknown", access.REMEDY)
    assert report.ok, report.failures


def test_a_challenge_is_no_refusal_of_a_webhook(worker: SoundWorker) -> None:
    """Its 403 was taken for the signature's: the provider gets it, too."""
    http = Http("the Worker", worker.url)
    delivery = Delivery("stripe unsigned", "/stripe/webhook", {}, b"{}", False)
    for worker.guard in GUARDS:
        with pytest.raises(Limited, match="the provider does not reach it"):
            delivered(http, delivery)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (302, {"Location": "https://xswarm.test/login"}),
        (302, {"Location": "https://cloudflareaccess.com.evil.test/cdn-cgi/access/login/x"}),
        (403, {"cf-mitigated": "block"}),
        (403, {}),
        (200, {"Location": "https://team.cloudflareaccess.com/cdn-cgi/access/login/x"}),
    ],
)
def test_what_a_worker_answers_itself_is_no_wall(status: int, headers: dict[str, str]) -> None:
    assert access.wall(status, headers) == ""


def test_the_token_goes_only_whole(settings: Callable[..., Settings]) -> None:
    assert access.headers(settings(ACCESS_CLIENT_ID=CLIENT)) == {}
    assert access.headers(settings(**TOKEN))["CF-Access-Client-Id"] == CLIENT
