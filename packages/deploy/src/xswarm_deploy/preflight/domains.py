"""The addresses users reach: DNS, certificates, redirects, and the zone's own settings.

An address of this machine has none of these; its findings say so.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from xswarm_deploy import dialing, transport
from xswarm_deploy.bundling import wrangler
from xswarm_deploy.errors import DeployError, Refused
from xswarm_deploy.loopback import is_address, is_loopback, is_nowhere
from xswarm_deploy.preflight import address
from xswarm_deploy.preflight.looking import Seen, probe
from xswarm_deploy.services.errors import Forbidden, ServiceError, Unauthorised
from xswarm_deploy.services.http import Http
from xswarm_deploy.steps.unversioned import zones

if TYPE_CHECKING:
    from xswarm_deploy.model.report import Probe, Status
    from xswarm_deploy.services.cloudflare import Zone
    from xswarm_deploy.site import Site

_ATTACHED: Final = (
    "a release attaches it, and Cloudflare makes the record: set Cloudflare's keys, or wait for it"
)
_PROXIED: Final = (
    "skipped (the way leads through a proxy: it resolves names, and answers for others)"
)
UNRESOLVED: Final = "skipped (the name does not resolve)"
GROUP: Final = "domains"
ACCOUNT: Final = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
ADDRESSES: Final = ("WORKER_URL", "BASE_URL", "API_URL")
PATIENCE: Final = 10.0  # seconds for a connection
OURS: Final = (".workers.dev", ".pages.dev")  # Cloudflare's own names: no zone of the account


def probes(site: Site) -> list[Probe]:
    """Look at every host once, under the variable that names it first."""
    hosts = _hosts(site)
    why = {name: told for name, url in hosts.items() if (told := _nothing_to_look_at(url))}
    of = probe("whose address", GROUP, lambda: address.whose(site), needs=("WORKER_URL",))
    made: list[Probe] = [of, *(_not_applicable(name, told) for name, told in why.items())]
    for name, url in hosts.items():
        if name not in why:
            made += _of_host(site, name, urlsplit(url)) if is_address(url) else [_unread(name)]
    return made


def _unread(name: str) -> Probe:
    """Return the look at what is no address; it is left out for the variable's own failure."""
    return probe(f"{name} DNS and TLS", GROUP, lambda: "", needs=(name,))


def _nothing_to_look_at(url: str) -> str:
    """Return why an address has no name and no certificate; empty: it has."""
    if is_loopback(url):
        return "an address of this machine"
    return "the Worker has no address" if is_nowhere(url) else ""


def _hosts(site: Site) -> dict[str, str]:
    seen: dict[str, str] = {}
    for name in ADDRESSES:
        url = site.settings.text(name)
        if url and _netloc(url) not in map(_netloc, seen.values()):
            seen[name] = url
    return seen


def _netloc(url: str) -> str:
    """Return the host and port that tell an address from others; of what is none, all of it."""
    return urlsplit(url).netloc if is_address(url) else url


def _not_applicable(name: str, why: str) -> Probe:
    seen = Seen("skip", f"not applicable: {why}")
    return probe(f"{name} DNS and TLS", GROUP, lambda: seen)


def _of_host(site: Site, name: str, url: Any) -> list[Probe]:
    host, port = str(url.hostname), int(url.port or 443)
    looks: dict[str, tuple[Callable[[], Seen | str], bool]] = {
        "DNS": (lambda: _resolves(site, host, verified=name == "WORKER_URL"), True),
        "certificate": (lambda: _certificate(site, host, port), True),
        "HSTS": (lambda: _hsts(host, port), False),
        "redirect": (lambda: _redirect(host), False),
    }
    made: list[Probe] = [
        probe(f"{host} {kind}", GROUP, look, needs=(name,), critical=critical)
        for kind, (look, critical) in looks.items()
    ]
    if not host.endswith(OURS):
        needs = (name, *ACCOUNT)
        look = partial(_zone, site, host)
        made.append(probe(f"{host} zone", GROUP, look, needs=needs, critical=False))
    return made


def _resolves(site: Site, host: str, *, verified: bool) -> Seen | str:
    if _made_by_release(site, host):  # asked now, resolvers would remember that it is not there
        told = "the release attaches it as a custom domain"
        early = f"{told}, and no version could be verified there before users meet it"
        return Seen("fail", early, _EARLY) if verified and _deployed(site) else told
    if transport.proxied(f"https://{host}"):
        return Seen("skip", _PROXIED)
    try:
        found = dialing.resolved(host, 443)
    except socket.gaierror as error:
        if _is_custom(site, host):
            told = (
                f"{host} does not resolve ({error.strerror}); it is a custom domain of the Worker"
            )
            return Seen("warn", told, _ATTACHED)
        remedy = f"make a DNS record for {host}, proxied by Cloudflare"
        status: Status = "fail" if _deployed(site) else "warn"  # the first release may come first
        return Seen(status, f"{host} does not resolve ({error.strerror})", remedy)
    addresses = sorted({str(entry[4][0]) for entry in found})
    return ", ".join(addresses[:4])


_EARLY: Final = (
    "leave WORKER_URL as it was for one release (on workers.dev beside"
    ' "workers_dev": true), and write the new one once that answers'
)


def _made_by_release(site: Site, host: str) -> bool:
    try:
        return _is_custom(site, host) and site.cloudflare.domains.find(host) is None
    except DeployError:
        return False  # other checks say why


def _is_custom(site: Site, host: str) -> bool:
    """Return whether a host is a custom domain by wrangler's file: Cloudflare makes its record."""
    try:
        return host in zones.listed(wrangler.read(site.settings), custom=True)
    except DeployError:
        return False  # other checks say why


def _deployed(site: Site) -> bool:
    try:
        return bool(site.cloudflare.deployments(site.worker))
    except ServiceError:
        return True
    except Refused:
        return False  # no account to ask: the check of the variables says so


def _certificate(site: Site, host: str, port: int) -> Seen | str:
    if _made_by_release(site, host):
        return "made with the custom domain"
    try:
        expires, version = certificate(host, port)
    except ssl.SSLCertVerificationError as error:
        remedy = "see SSL/TLS, Edge Certificates in Cloudflare's dashboard"
        return Seen("fail", f"not valid: {error.verify_message}", remedy)
    except socket.gaierror:
        return Seen("skip", UNRESOLVED)
    except OSError as error:
        return Seen("unknown", f"no TLS connection: {type(error).__name__}", "see DNS above")
    days = (expires - datetime.now(UTC)).days
    evidence = f"valid for {days} days, {version}"
    if days < site.settings.project.check.certificate_days:
        return Seen("warn", evidence, "renew it: Cloudflare renews its own by itself")
    return evidence


def certificate(host: str, port: int) -> tuple[datetime, str]:
    """Return when a host's certificate ends, and the TLS version spoken.

    Args:
        host: its name; the certificate must be for it.
        port: 443 as a rule.

    Raises:
        SSLCertVerificationError: the chain, the name or the time is not right.
        OSError: no connection.
    """
    with transport.secured(host, port, PATIENCE) as secured:
        found = secured.getpeercert() or {}
        ends = ssl.cert_time_to_seconds(str(found["notAfter"]))
        return datetime.fromtimestamp(ends, UTC), str(secured.version())


def _hsts(host: str, port: int) -> Seen | str:
    reply = Http(host, f"https://{host}:{port}", retries=0).get("/", expect=range(300, 600))
    header = reply.headers.get("Strict-Transport-Security", "")
    if header:
        return header
    return Seen("warn", "no Strict-Transport-Security", "switch HSTS on (SSL/TLS settings)")


def _redirect(host: str) -> Seen | str:
    """Ask port 80 by hand: our own client never speaks plain HTTP to another machine."""
    if transport.proxied(f"http://{host}"):
        return Seen("skip", _PROXIED)
    try:
        status, location = plain_answer(host, 80)
    except socket.gaierror:
        return Seen("skip", UNRESOLVED)
    except OSError:
        return "port 80 is closed"
    if 300 <= status < 400 and location.startswith("https://"):
        return f"{status} to https"
    remedy = "switch Always Use HTTPS on (SSL/TLS, Edge Certificates)"
    return Seen("warn", f"http answers {status} instead of a redirect to https", remedy)


def plain_answer(host: str, port: int) -> tuple[int, str]:
    """Return status and Location of ``HEAD /`` over plain HTTP; nothing secret is sent."""
    from http.client import HTTPConnection

    connection = HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("HEAD", "/")
        reply = connection.getresponse()
        return reply.status, reply.getheader("Location", "")
    finally:
        connection.close()


def _zone(site: Site, host: str) -> Seen | str:
    """Look at the zone's records and TLS settings, where the token may read them."""
    try:
        zone = _zone_of(site, host)
        if zone is None:
            remedy = "add the domain to the account, and Zone: Read to the token"
            return Seen("warn", f"the token reaches no zone of {host}", remedy)
        wrong = _wrong_records(site, zone["id"], host) + _wrong_settings(site, zone["id"])
    except (Forbidden, Unauthorised) as error:
        return Seen("unknown", str(error), "add Zone: Read and DNS: Read to the token")
    if wrong:
        return Seen("warn", "; ".join(wrong), f"see zone {zone['name']} in the dashboard")
    return f"zone {zone['name']}: proxied, TLS 1.2 at least, https only"


def _zone_of(site: Site, host: str) -> Zone | None:
    labels = host.split(".")
    names = (".".join(labels[at:]) for at in range(len(labels) - 1))
    found = (site.cloudflare.zone(name) for name in names)
    return next((zone for zone in found if zone), None)


def _wrong_records(site: Site, zone: str, host: str) -> list[str]:
    records = site.cloudflare.dns_records(zone, host)
    kinds = [record for record in records if record["type"] in ("A", "AAAA", "CNAME")]
    if not kinds:
        return [f"no A, AAAA or CNAME record for {host}"]
    bare = [record["type"] for record in kinds if not record.get("proxied")]
    return [f"the {bare[0]} record is not proxied"] if bare else []


def _wrong_settings(site: Site, zone: str) -> list[str]:
    setting = site.cloudflare.zone_setting
    wrong = []
    if setting(zone, "ssl") not in ("full", "strict"):
        wrong.append("SSL mode is not full")
    if setting(zone, "min_tls_version") < "1.2":
        wrong.append("TLS below 1.2 is allowed")
    if setting(zone, "always_use_https") != "on":
        wrong.append("Always Use HTTPS is off")
    return wrong
