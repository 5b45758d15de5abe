"""Routes, custom domains, queues, workflows, script settings and migrations, as refused or kept."""

from __future__ import annotations

from tests.twin.cloudflare.stand_in import Api, form

SHOP = "A/workers/scripts/shop"


def zone(api: Api, name: str = "example.com") -> str:
    return str(api.result("POST", "/zones", json={"name": name})["id"])


def test_routes_lie_in_their_zone_and_are_there_once(api: Api) -> None:
    api.worker()
    path = f"/zones/{zone(api)}/workers/routes"
    route = {"pattern": "example.com/*", "script": "shop"}
    made = api.result("POST", path, json=route)
    assert api.refused("POST", path, json=route) == (409, 10020)
    zone(api, "example.org")
    assert api.refused("POST", path, json={**route, "pattern": "example.org/*"}) == (400, 10022)
    custom = api.result("POST", path, json={**route, "pattern": "shop.customer.net/a*"})
    api.result("DELETE", f"{path}/{custom['id']}")
    assert api.refused("POST", path, json={"pattern": "a.example.com", "script": "no"})[1] == 10007
    api.restart()
    assert api.result("GET", path) == [made]
    every = api.result("POST", path, json={**route, "pattern": "*/*"})  # Cloudflare for SaaS
    api.result("DELETE", f"{path}/{every['id']}")
    api.result("DELETE", f"{path}/{made['id']}")
    assert api.refused("DELETE", f"{path}/{made['id']}") == (404, 10009)


def test_a_route_opens_the_worker_where_workers_dev_is_off(api: Api) -> None:
    api.worker()
    path = f"/zones/{zone(api)}/workers/routes"
    assert api.edge.flags["shop"] == (False, False)
    made = api.result("POST", path, json={"pattern": "example.com/*", "script": "shop"})
    assert api.edge.flags["shop"] == (True, False)
    api.result("DELETE", f"{path}/{made['id']}")
    assert api.edge.flags["shop"] == (False, False)


def test_a_custom_domain_does_not_take_a_dns_record_over(api: Api) -> None:
    api.worker()
    identifier = zone(api)
    record = {"type": "A", "name": "shop.example.com", "content": "192.0.2.1"}
    api.result("POST", f"/zones/{identifier}/dns_records", json=record)
    domain = {"hostname": "shop.example.com", "service": "shop", "zone_id": identifier}
    assert api.refused("PUT", "A/workers/domains", json=domain) == (409, 100117)
    made = api.result("PUT", "A/workers/domains", json={**domain, "hostname": "b.example.com"})
    assert api.result("GET", "A/workers/domains?service=shop") == [made]
    assert api.result("GET", "A/workers/domains?hostname=c.example.com") == []
    api.result("DELETE", f"A/workers/domains/{made['id']}")
    assert api.refused("DELETE", f"A/workers/domains/{made['id']}") == (404, 100114)


def test_a_worker_takes_its_addresses_along(api: Api) -> None:
    api.worker()
    identifier = zone(api)
    route = {"pattern": "example.com/*", "script": "shop"}
    api.result("POST", f"/zones/{identifier}/workers/routes", json=route)
    domain = {"hostname": "b.example.com", "service": "shop", "zone_id": identifier}
    api.result("PUT", "A/workers/domains", json=domain)
    api.result("DELETE", SHOP)
    assert api.result("GET", f"/zones/{identifier}/workers/routes") == []
    assert api.result("GET", "A/workers/domains") == []


def test_a_queue_has_one_consumer(api: Api) -> None:
    api.worker()
    queue = api.result("POST", "A/queues", json={"queue_name": "orders"})["queue_id"]
    assert api.refused("POST", "A/queues", json={"queue_name": "orders"}) == (409, 11009)
    path, consumer = f"A/queues/{queue}/consumers", {"type": "worker", "script_name": "shop"}
    made = api.result("POST", path, json=consumer)
    assert api.refused("POST", path, json=consumer) == (400, 11004)
    changed = api.result(
        "PUT", f"{path}/{made['consumer_id']}", json={**consumer, "settings": {"batch_size": 2}}
    )
    assert changed["settings"]["batch_size"] == 2
    api.result("DELETE", f"{path}/{made['consumer_id']}")
    assert api.refused("DELETE", f"{path}/{made['consumer_id']}") == (404, 11002)
    assert api.refused("GET", "A/queues/none") == (404, 11000)


def test_a_workflow_is_registered_and_removed(api: Api) -> None:
    api.worker()
    assert api.refused("GET", "A/workflows/billing") == (404, 10200)
    asked = {"script_name": "shop", "class_name": "Billing", "limits": {"steps": 1}}
    api.result("PUT", "A/workflows/billing", json=asked)
    told = api.result("GET", "A/workflows/billing")
    assert (told["script_name"], told["class_name"], "limits" in told) == ("shop", "Billing", False)
    api.result("DELETE", "A/workflows/billing")
    assert api.refused("DELETE", "A/workflows/billing") == (404, 10200)


def test_a_direct_upload_brings_settings_along_and_a_version_does_not(api: Api) -> None:
    api.worker(observability={"enabled": True}, logpush=True)
    settings = {"observability": {"enabled": True}, "logpush": True}
    assert api.result("GET", f"{SHOP}/script-settings") == settings
    api.version(observability={"enabled": False})
    assert api.result("GET", f"{SHOP}/script-settings") == settings


def test_migrations_go_from_tag_to_tag_by_direct_uploads_alone(api: Api) -> None:
    one = {"new_tag": "v1", "steps": [{"new_sqlite_classes": ["Room"]}]}
    api.worker(migrations=one)
    script = api.result("GET", "A/workers/services/shop")["default_environment"]["script"]
    assert script["migration_tag"] == "v1"
    two = {"old_tag": "v0", "new_tag": "v2", "steps": []}
    assert api.refused(
        "PUT", SHOP, files=form(b"export default { fetch() {} }", migrations=two)
    ) == (412, 10079)
    body = form(b"export default { fetch() {} }", migrations={**two, "old_tag": "v1"})
    assert api.refused("POST", f"{SHOP}/versions", files=body) == (400, 10211)
    api.worker(migrations={**two, "old_tag": "v1"})
    script = api.result("GET", "A/workers/services/shop")["default_environment"]["script"]
    assert script["migration_tag"] == "v2"


def test_a_dispatch_namespace_is_renamed(api: Api) -> None:
    path = "A/workers/dispatch/namespaces"
    made = api.result("POST", path, json={"name": "customers"})
    api.result("POST", path, json={"name": "others"})
    renamed = api.result("PUT", f"{path}/customers", json={"name": "guests"})
    assert (renamed["namespace_id"], renamed["namespace_name"]) == (made["namespace_id"], "guests")
    assert api.refused("GET", f"{path}/customers") == (404, 100119)
    assert api.refused("PUT", f"{path}/guests", json={"name": "others"}) == (409, 100120)
