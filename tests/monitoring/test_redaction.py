from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xswarm_monitoring.redaction import (
    mask_beginning,
    mask_path,
    mask_query,
    mask_sql,
    mask_text,
    shape,
)


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("/users/12345/posts", "/users/:num/posts"),
        ("/users/5f3a9c2e-1111-4222-8333-abcdefabcdef", "/users/:id"),
        ("/teams/cus_9s6XKzkNRiz8i3", "/teams/:id"),
        ("/api/v1/oauth2/callback", "/api/v1/oauth2/callback"),
        ("/voice/+15551234567", "/voice/:num"),
        ("/by/ada@example.com", "/by/:email"),
        ("/by/ada%40example.com", "/by/:email"),
        ("/files/report-final.pdf", "/files/report-final.pdf"),
        ("/x/" + "a" * 40, "/x/:id"),
        ("/", "/"),
        ("/reset?token=abc123&page=2", "/reset?token=:masked&page=2"),
        ("/find?email=ada%40example.com", "/find?email=:masked"),
        ("/find?q=ada%40example.com", "/find?q=:email"),
    ],
)
def test_paths_keep_their_shape_and_lose_their_ids(path: str, masked: str) -> None:
    assert mask_path(path) == masked


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "sk-ant-api03-abcdefghijklmnop",
        "whsec_abcdefghijklmnop",
        "SG.abcdefghijkl.mnopqrstuvwxyz",
        "AC0123456789abcdef0123456789abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def",
        "xoxb-123456789012-abcdef",
        "ada.lovelace+test@example.co.uk",
    ],
)
@pytest.mark.parametrize("around", ["{}", "failed for {} today", '{{"value": "{}"}}', "a,{},b"])
def test_addresses_and_tokens_leave_no_trace_in_text(secret: str, around: str) -> None:
    masked = mask_text(around.format(secret))
    assert secret not in masked
    assert masked.replace(":token", "").replace(":email", "") == around.format("")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2hunter2",
        "password=hunter2hunter2&x=1",
        "{'api_key': 'hunter2hunter2'}",
        "libsql://user:hunter2hunter2@db.example.com/x",
        "POST https://hooks.slack.com/services/T0/B0/hunter2hunter2",
    ],
)
def test_credentials_are_masked_where_they_are_assigned(text: str) -> None:
    assert "hunter2" not in mask_text(text)


def test_ordinary_words_stay() -> None:
    text = "no answer within 200 ms from api.stripe.com (status 503), 3 tries left"
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("sql", "masked"),
    [
        ("SELECT * FROM users WHERE email = 'a@b.c'", "SELECT * FROM users WHERE email = ?"),
        ("select 'it''s', x'AB', 1.5e3, .5, 0xFF", "select ?, ?, ?, ?, ?"),
        (
            "SELECT a1, t2.b FROM t2 WHERE id IN (1, 2,3)",
            "SELECT a1, t2.b FROM t2 WHERE id IN (?, …)",
        ),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (?, …)"),
        ("SELECT 1 -- of 'ada'\n FROM t /* x\ny */ WHERE a=:name", "SELECT ? FROM t WHERE a=?"),
        (
            'SELECT "strange name" FROM `t` WHERE [a b] = ?1',
            'SELECT "strange name" FROM `t` WHERE [a b] = ?',
        ),
        ("SELECT 'cut off", "SELECT ?"),
        ("SELECT\n  a\n  FROM b", "SELECT a FROM b"),
    ],
)
def test_statements_keep_their_shape_and_lose_their_values(sql: str, masked: str) -> None:
    assert mask_sql(sql) == masked


@given(st.text(max_size=60))
def test_no_string_value_survives_in_sql(value: str) -> None:
    quoted = value.replace("'", "''")
    masked = mask_sql(f"UPDATE t SET a = '{quoted}' WHERE b = 7")
    assert masked == "UPDATE t SET a = ? WHERE b = ?"


def test_a_long_statement_is_cut() -> None:
    assert len(mask_sql("SELECT " + "a, " * 1000)) == 500


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ada@example.com.+x@example.org", ":email:email"),
        ("ada@ada@example.com", "ada@:email"),
        ("redis://:hunter2@db.example.com", "redis://::email"),
        ('{"password": "hunter2 and more', '{"password": :token'),
        ('{"password": "hunter\\"2", "a": 1}', '{"password": :token, "a": 1}'),
        ('{\\"password\\":\\"hunter2\\",\\"a\\":1}', '{\\"password\\"::token,\\"a\\":1}'),
        ("x-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "x-:token"),
        ("secret-token-secret and more", "secret-token-secret and more"),
    ],
)
def test_what_is_cut_off_nested_or_joined_is_masked_too(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        ("?a=b?token=hunter2", "?a=b?token=:masked"),
        ("?token=a=b?c&d=e", "?token=:masked&d=e"),
        ("?????", "?????"),
    ],
)
def test_a_value_is_masked_wherever_its_name_stands(query: str, masked: str) -> None:
    assert mask_query(query) == masked


def test_only_what_is_shown_of_a_long_text_is_masked() -> None:
    text = mask_beginning("x " * 9_000 + "ada@example.com", 8_000)
    assert len(text) == 8_000
    assert mask_path("/x" * 40_000).endswith("/…")


def test_a_statement_that_is_not_ended_keeps_its_values_hidden() -> None:
    assert mask_sql("SELECT 1 /* of ada@example.com") == "SELECT ?"
    assert "hunter2" not in mask_sql("SELECT [a, 'hunter2'")


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/posts/how-we-ship-2024", "/posts/:slug"),
        ("/posts/why-sqlite-is-enough-9f3a", "/posts/:slug"),
        ("/posts/a-longer-title-of-a-post-about-a-table-with-many-rows", "/posts/:slug"),
        ("/posts/a1-b2-c3", "/posts/:id"),
        ("/users/550e8400-e29b-41d4-a716-446655440000", "/users/:id"),
        ("/users/deadbeef-cafe-abcd-face-feedfacecafe", "/users/:id"),
        ("/users/max-von-der-heide@shop.example", "/users/:email"),
        ("/api/sign-up", "/api/sign-up"),
        ("/orders/17/line-items", "/orders/:num/line-items"),
    ],
)
def test_a_path_without_a_route_has_one_label_for_all_of_a_kind(path: str, label: str) -> None:
    assert shape(path) == label
