"""wrangler's upload body: read, added to, given again."""

from __future__ import annotations

import json
import subprocess
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret
from xswarm_deploy.services.multipart import Module, Upload, annotated, read

ROOT = Path(__file__).resolve().parents[2]
METADATA = {
    "main_module": "index.js",
    "bindings": [
        {"name": "LEVEL", "type": "plain_text", "text": "1"},
        {"name": "R2_BUCKET", "type": "r2_bucket", "bucket_name": "b"},
    ],
    "compatibility_date": "2025-01-01",
    "keep_bindings": ["secret_text", "secret_key"],
    "annotations": {},
}
BINARY = bytes(range(256)) + b"\r\n--not-the-boundary\r\n\r\n"


def body(metadata: str | None = None, boundary: str = "----formdata-undici-01") -> bytes:
    """Write a form as undici does."""
    metadata = metadata or json.dumps(METADATA)
    parts = [
        f'Content-Disposition: form-data; name="metadata"\r\n\r\n{metadata}',
        'Content-Disposition: form-data; name="index.js"; filename="index.js"\r\n'
        "Content-Type: application/javascript+module\r\n\r\nexport default {}\n",
        'Content-Disposition: form-data; name="./0a1b-file.txt"; filename="./0a1b-file.txt"\r\n'
        "Content-Type: text/plain\r\n\r\nhello\n",
    ]
    raw = [part.encode() for part in parts]
    raw.append(
        b'Content-Disposition: form-data; name="a.wasm"; filename="a.wasm"\r\n'
        b"Content-Type: application/wasm\r\n\r\n" + BINARY
    )
    line = f"--{boundary}\r\n".encode()
    return b"".join(line + part + b"\r\n" for part in raw) + f"--{boundary}--".encode()


def test_workflows_as_exports_need_the_date_since_when_the_api_takes_them() -> None:
    """The date is wrangler's own (``WORKFLOW_EXPORTS_SCRIPT_API_DATE``)."""
    form = Upload({"exports": {"Room": {"type": "durable-object"}}}, (), "b")
    assert set(form.headers) == {"Content-Type"}
    form = Upload({"exports": {"Bills": {"type": "workflow", "name": "bills"}}}, (), "b")
    assert form.headers["Cloudflare-Workers-Script-Api-Date"] == "2026-11-09"


def parsed(upload: Upload) -> tuple[dict[str, Any], set[str]]:
    """Read a form back with the standard library's own parser, as a judge."""
    head = f"Content-Type: {upload.headers['Content-Type']}\r\n\r\n".encode()
    form = BytesParser().parsebytes(head + upload.body())
    parts = {name_of(part): part for part in form.walk() if name_of(part)}
    return json.loads(str(parts.pop("metadata").get_payload())), set(parts)


def name_of(part: Message) -> str:
    return str(part.get_param("name", "", "content-disposition"))


def test_reads_metadata_and_modules_byte_for_byte() -> None:
    upload = read(body())
    assert upload.metadata == METADATA
    assert upload.modules == (
        Module("index.js", "application/javascript+module", b"export default {}\n"),
        Module("0a1b-file.txt", "text/plain", b"hello\n"),
        Module("a.wasm", "application/wasm", BINARY),
    )


def test_what_is_written_reads_the_same() -> None:
    upload = read(body())
    assert read(upload.body()) == upload


def test_another_parser_agrees() -> None:
    metadata, names = parsed(read(body()).with_secrets({"KEY": Secret("canary-5f", "KEY")}))
    assert {"name": "KEY", "type": "secret_text", "text": "canary-5f"} in metadata["bindings"]
    assert names == {"index.js", "0a1b-file.txt", "a.wasm"}


def test_secrets_are_in_the_body_and_nowhere_else() -> None:
    upload = read(body()).with_secrets({"KEY": Secret("canary-0badc0de", "KEY")})
    assert b"canary-0badc0de" in upload.body()
    assert "canary-0badc0de" not in repr(upload)


@pytest.mark.parametrize(("keep", "kept"), [(True, ["secret_key", "secret_text"]), (False, [])])
def test_earlier_secrets_are_kept_or_dropped(keep: bool, kept: list[str]) -> None:
    upload = read(body()).with_secrets({"KEY": Secret("value", "KEY")}, keep=keep)
    assert upload.metadata["keep_bindings"] == kept


def test_variables_stand_beside_those_of_the_configuration() -> None:
    upload = read(body()).with_variables({"NEW": "3"})
    texts = {b["name"]: b.get("text") for b in upload.bindings}
    assert texts == {"R2_BUCKET": None, "LEVEL": "1", "NEW": "3"}


@pytest.mark.parametrize("name", ["LEVEL", "R2_BUCKET"])
def test_a_variable_or_binding_of_the_workers_own_is_not_replaced(name: str) -> None:
    with pytest.raises(Refused, match=f"has a {name} of its own"):
        read(body()).with_variables({name: "2"})


def test_annotations_and_assets_join_the_metadata() -> None:
    upload = read(body()).with_annotations("why", "r1").with_assets(Secret("a.b.c"), {"x": 1})
    assert upload.metadata["annotations"] == {"workers/message": "why", "workers/tag": "r1"}
    assert upload.metadata["assets"] == {"jwt": "a.b.c", "config": {"x": 1}}


ASKED: dict[str, Any] = {
    **METADATA,
    "bindings": [{"name": "KEY", "type": "inherit"}, {"name": "FILES", "type": "inherit"}],
}
"""What wrangler writes for ``secrets.required``, and for a binding without an id."""


def test_a_required_secret_is_given_or_taken_from_a_version() -> None:
    asked = read(body(json.dumps(ASKED)))
    assert asked.unresolved == ("KEY", "FILES")
    given = asked.with_secrets({"KEY": Secret("canary-value-01", "KEY")}, keep=False)
    assert given.unresolved == ("FILES",)
    assert b'{"name":"KEY","type":"secret_text","text":"canary-value-01"}' in given.body()
    taken = asked.with_inherited(["KEY", "KEY", "OTHER"], "v1")
    assert taken.unresolved == ("FILES",)
    assert [one["name"] for one in taken.bindings if one.get("version_id") == "v1"] == [
        "KEY",
        "OTHER",
    ]


def test_a_message_is_cut_to_whole_characters() -> None:
    assert len(annotated("é" * 600)["workers/message"].encode()) == 1000
    assert annotated("m" * 999 + "é") == {"workers/message": "m" * 999}
    assert annotated() == {}


def test_static_files_alone_carry_no_code() -> None:
    alone = read(body()).without_code()
    assert (alone.metadata, alone.modules) == (
        {"compatibility_date": "2025-01-01", "annotations": {}},
        (),
    )


def test_a_secret_with_the_name_of_a_variable_is_refused() -> None:
    with pytest.raises(Refused, match="LEVEL would be both"):
        read(body()).with_secrets({"LEVEL": Secret("value", "LEVEL")})
    with pytest.raises(Refused, match="KEY would be both"):
        read(body()).with_secrets({"KEY": Secret("value")}).with_variables({"KEY": "x"})


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_a_blank_secret_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="blank"):
        read(body()).with_secrets({"KEY": Secret(value, "KEY")})


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"not a form",
        b"\r\n\r\n",
        body()[:-30],
        body().replace(b'name="metadata"', b'name="other"'),
        body(metadata="{"),
        body(metadata="[]"),
    ],
)
def test_what_is_no_form_is_refused(broken: bytes) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read(broken)


@pytest.mark.slow
def test_reads_what_the_real_wrangler_writes(tmp_path: Path) -> None:
    (tmp_path / "wrangler.jsonc").write_text(
        '{"name": "w", "main": "index.js", "compatibility_date": "2025-01-01",'
        ' "vars": {"LEVEL": "1"}, "r2_buckets": [{"binding": "B", "bucket_name": "bucket"}]}'
    )
    (tmp_path / "index.js").write_text(
        'import t from "./note.txt"; export default {fetch: () => new Response(t)}'
    )
    (tmp_path / "note.txt").write_text("ein Satz – mit Strich\r\n--und Strichen")
    wrangler = ROOT / "node_modules/wrangler/wrangler-dist/cli.js"
    command = ["node", str(wrangler), "versions", "upload", "--dry-run", "--outfile", "out"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    upload = read((tmp_path / "out").read_bytes())
    assert upload.metadata["main_module"] == "index.js"
    assert {b["name"] for b in upload.bindings} == {"LEVEL", "B"}
    texts = [m.content.decode() for m in upload.modules if m.media_type == "text/plain"]
    assert texts == ["ein Satz – mit Strich\r\n--und Strichen"]
    assert not any(m.name.startswith("./") for m in upload.modules)
    assert read(upload.body()) == upload
