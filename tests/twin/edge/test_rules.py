"""The files _headers and _redirects, read; what they do is judged by workerd in test_assets."""

from __future__ import annotations

from xswarm_twin.edge.rules import apply_headers, parse_headers, parse_redirects


def test_redirects_are_limited_as_documented() -> None:
    many = "\n".join(f"/s{number} /to" for number in range(2005))
    more = "\n".join(f"/d{number}/* /to/:splat" for number in range(105))
    rules = parse_redirects(f"{many}\n{more}\n")
    assert (len(rules.exact), len(rules.patterns)) == (2000, 100)


def test_lines_that_are_no_rule_are_left_out() -> None:
    text = """
    /only-one
    /a /b 301 extra
    /bad-status /b 404
    relative /b
    /to-nowhere nowhere
    /two/*/* /b
    /proxy https://example.com/ 200
    https://example.com/x /b
    /commented /b # why
    /good /b 308
    """
    rules = parse_redirects(text)
    assert {path: rule.status for path, rule in rules.exact.items()} == {
        "/commented": 302,
        "/good": 308,
    }
    assert rules.patterns == ()


def test_placeholders_and_splats_fill_the_target() -> None:
    rules = parse_redirects("/a/:x/* /b/:splat/:x?y=:x\n/p/:x/:x /same\n")
    assert rules.find("h", "/a/1/2/3") == (302, "/b/2/3/1?y=1")
    assert rules.find("h", "/a/1") is None
    assert rules.find("h", "/p/1/1") == (302, "/same")
    assert rules.find("h", "/p/1/2") is None


def test_no_path_becomes_another_host() -> None:
    rules = parse_redirects("/go/* /:splat\n")
    assert rules.find("h", "/go//evil.example/x") == (302, "/evil.example/x")


def test_headers_add_up_and_are_taken_away() -> None:
    rules = parse_headers(
        "/*\n X-A: 1\n X-B: 2\n/x/*\n X-A: 3\n ! X-B\n ! Server\nhttps://h.example/*\n X-H: yes\n"
    )
    given = [("Server", "s"), ("x-a", "0")]
    assert apply_headers(rules, "h", "/y", given) == [("Server", "s"), ("X-A", "1"), ("X-B", "2")]
    assert apply_headers(rules, "h", "/x/1", given) == [("X-A", "1"), ("X-A", "3")]
    assert ("X-H", "yes") in apply_headers(rules, "h.example", "/", [])
