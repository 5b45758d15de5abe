from __future__ import annotations

from tests.twin.cloudflare.stand_in import Api


def test_a_zone_with_its_tls_mode_and_records(api: Api) -> None:
    assert api.result("GET", "/zones?name=example.com") == []
    zone = api.result("POST", "/zones", json={"name": "example.com"})["id"]
    assert api.refused("POST", "/zones", json={"name": "example.com"}) == (400, 1061)
    found = api.result("GET", "/zones?name=example.com")
    assert [(one["id"], one["status"]) for one in found] == [(zone, "active")]
    assert api.result("GET", "/zones?name=example.org") == []
    assert api.result("GET", f"/zones/{zone}/settings/ssl")["value"] == "full"
    api.result("PATCH", f"/zones/{zone}/settings/ssl", json={"value": "strict"})
    assert api.result("GET", f"/zones/{zone}/settings/ssl")["value"] == "strict"
    assert api.refused("PATCH", f"/zones/{zone}/settings/ssl", json={"value": "x"})[0] == 400
    assert api.refused("GET", f"/zones/{zone}/settings/none") == (400, 1006)
    assert api.refused("PATCH", f"/zones/{zone}/settings/none", json={})[0] == 400
    api.result("PATCH", f"/zones/{zone}/settings/always_use_https", json={"value": "on"})
    assert api.result("GET", f"/zones/{zone}/settings/always_use_https")["value"] == "on"
    record = {"type": "CNAME", "name": "www.example.com", "content": "a.b", "proxied": True}
    made = api.result("POST", f"/zones/{zone}/dns_records", json=record)
    listed = api.result("GET", f"/zones/{zone}/dns_records?type=CNAME&name=www.example.com")
    assert listed == [made]
    assert listed[0]["proxied"] is True
    assert api.result("GET", f"/zones/{zone}/dns_records?type=A") == []
    api.restart()
    assert api.result("GET", f"/zones/{zone}/dns_records") == [made]
    api.result("DELETE", f"/zones/{zone}/dns_records/{made['id']}")
    assert api.refused("DELETE", f"/zones/{zone}/dns_records/{made['id']}") == (404, 81044)
    api.result("DELETE", f"/zones/{zone}")
    assert api.refused("GET", f"/zones/{zone}/dns_records") == (404, 1001)
