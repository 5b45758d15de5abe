"""What a bucket is set to over the API is what it is set to over S3's, and the other way round."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from tests.twin.cloudflare.stand_in import Api
from xswarm_twin.edge.simulators import Answer

FILES = "A/r2/buckets/files"
DAY = 86_400
CORS = [
    {
        "id": "shop",
        "allowed": {"origins": ["https://shop.test"], "methods": ["GET", "PUT"], "headers": ["*"]},
        "exposeHeaders": ["ETag"],
        "maxAgeSeconds": 3600,
    }
]
LIFECYCLE = [
    {
        "id": "old",
        "enabled": True,
        "conditions": {"prefix": "logs/"},
        "deleteObjectsTransition": {"condition": {"type": "Age", "maxAge": 30 * DAY}},
        "abortMultipartUploadsTransition": {"condition": {"type": "Age", "maxAge": DAY}},
        "storageClassTransitions": [
            {
                "condition": {"type": "Date", "date": "2027-01-01T00:00:00Z"},
                "storageClass": "InfrequentAccess",
            }
        ],
    }
]


@pytest.fixture
def files(api: Api) -> Api:
    api.result("POST", "A/r2/buckets", json={"name": "files"})
    return api


def test_cors_is_set_told_and_taken_away(files: Api) -> None:
    assert files.refused("GET", f"{FILES}/cors") == (404, 10059)
    files.result("PUT", f"{FILES}/cors", json={"rules": CORS})
    assert files.result("GET", f"{FILES}/cors")["rules"] == CORS
    document = files.twin.objects.setting("files", "cors")
    assert document is not None
    methods = [m.text for m in ElementTree.fromstring(document).iter() if "Method" in m.tag]
    assert methods == ["GET", "PUT"]
    files.result("DELETE", f"{FILES}/cors")
    assert files.refused("GET", f"{FILES}/cors") == (404, 10059)


def test_a_lifecycle_is_set_and_told(files: Api) -> None:
    assert files.result("GET", f"{FILES}/lifecycle")["rules"] == []
    files.result("PUT", f"{FILES}/lifecycle", json={"rules": LIFECYCLE})
    assert files.result("GET", f"{FILES}/lifecycle")["rules"] == LIFECYCLE
    files.result("PUT", f"{FILES}/lifecycle", json={"rules": []})
    assert files.result("GET", f"{FILES}/lifecycle")["rules"] == []


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("cors", {"allowed": {"origins": ["*"], "methods": ["PATCH"]}}),
        ("cors", {"allowed": {"origins": [], "methods": ["GET"]}}),
        ("cors", {"maxAgeSeconds": 86_401}),
        ("cors", {"maxAge": 1}),
        ("lifecycle", {"deleteObjectsTransition": {"condition": {"type": "Age"}}}),
        ("lifecycle", {"deleteObjectsTransition": {"condition": {"type": "Age", "maxAge": 1}}}),
        ("lifecycle", {"storageClassTransitions": [{"storageClass": "Glacier"}]}),
        ("lifecycle", {"enabled": "yes"}),
        ("lifecycle", {"banana": 1}),
    ],
)
def test_rules_that_cannot_be_are_refused(files: Api, kind: str, changes: dict[str, Any]) -> None:
    rule = {**(CORS if kind == "cors" else LIFECYCLE)[0], **changes}
    assert files.refused("PUT", f"{FILES}/{kind}", json={"rules": [rule]}) == (400, 10040)


def test_another_jurisdiction_sees_no_settings(files: Api) -> None:
    headers = {"cf-r2-jurisdiction": "eu"}
    assert files.refused("GET", f"{FILES}/lifecycle", headers=headers) == (404, 10006)
    assert files.refused("GET", "A/r2/buckets/none/lifecycle") == (404, 10006)


def test_notifications_want_a_queue_and_actions_that_there_are(files: Api) -> None:
    at = "A/event_notifications/r2/files/configuration"
    assert files.refused("GET", at) == (404, 11015)
    queue = files.result("POST", "A/queues", json={"queue_name": "held"})["queue_id"]
    rules = [{"actions": ["PutObject", "DeleteObject"], "prefix": "in/", "suffix": ".csv"}]
    assert files.refused("PUT", f"{at}/queues/none", json={"rules": rules}) == (404, 11000)
    wrong = [{"actions": ["Banana"]}]
    assert files.refused("PUT", f"{at}/queues/{queue}", json={"rules": wrong}) == (400, 10026)
    files.result("PUT", f"{at}/queues/{queue}", json={"rules": rules})
    (told,) = files.result("GET", at)["queues"]
    assert (told["queueName"], told["rules"][0]["suffix"]) == ("held", ".csv")
    files.edge.answers += [Answer(200, "", {}, b"{}")] * 2
    for name in ("in/a.csv", "in/a.txt", "out/a.csv"):
        files.result("PUT", f"{FILES}/objects/{name}", data=b"x")
        files.result("DELETE", f"{FILES}/objects/{name}")
    told_to = [question for question in files.edge.questions if question.path == "/batch"]
    assert len(told_to) == 2, "one object's two changes"
    files.result("DELETE", f"{at}/queues/{queue}", json={"ruleIds": [told["rules"][0]["ruleId"]]})
    assert files.refused("GET", at) == (404, 11015)
