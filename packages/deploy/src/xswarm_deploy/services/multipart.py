"""The upload body that wrangler's dry run writes: read it, add to it, give it again.

``wrangler versions upload --dry-run --outfile FILE`` makes no call and writes the exact
multipart form of POST versions: a part ``metadata`` (JSON), then a part a module. Its
first line is the boundary after two dashes. Secrets join the metadata here, so that code
and secrets are one version.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from typing import Any, NamedTuple

from xswarm_deploy.errors import Refused
from xswarm_deploy.secret import Secret

SECRET_TYPES = ("secret_text", "secret_key")
_API_DATE = "Cloudflare-Workers-Script-Api-Date"
_WORKFLOW_EXPORTS = "2026-11-09"  # since then the API takes Workflows as exports
MESSAGE_BYTES = 1000  # of an annotation's message; Cloudflare refuses a longer one


class Module(NamedTuple):
    """One module of an upload: its name, its media type, its bytes."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Upload:
    """What POST versions and PUT script take; each ``with_…`` gives a changed copy.

    Args:
        metadata: main module, bindings, compatibility; without the secrets added here.
        modules: the code.
        boundary: what separates the parts.
        secrets: the secret bindings to add; revealed by :meth:`body` only.
    """

    metadata: Mapping[str, Any]
    modules: tuple[Module, ...]
    boundary: str
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def bindings(self) -> tuple[Mapping[str, Any], ...]:
        """Return the bindings without the secrets."""
        return tuple(self.metadata.get("bindings", ()))

    @property
    def kept(self) -> frozenset[str]:
        """Return the kinds that go from version to version: secrets, variables by `keep_vars`."""
        return frozenset((*SECRET_TYPES, *map(str, self.metadata.get("keep_bindings", ()))))

    @property
    def headers(self) -> dict[str, str]:
        """Return what goes with :meth:`body`: its media type; of Workflows as exports a date.

        Source: wrangler's ``resolveExportsUploadPayload``.
        """
        kind = {"Content-Type": f"multipart/form-data; boundary={self.boundary}"}
        exports = (self.metadata.get("exports") or {}).values()
        declared = any(one.get("type") == "workflow" for one in exports)
        return kind | ({_API_DATE: _WORKFLOW_EXPORTS} if declared else {})

    def with_secrets(self, secrets: Mapping[str, Secret], *, keep: bool = True) -> Upload:
        """Add secrets to the version.

        Args:
            secrets: by the Worker's names.
            keep: whether Cloudflare carries over what the latest version has: other secrets, and
                variables by `keep_vars`.

        Raises:
            Refused: a secret is blank, or a plain binding has its name.
        """
        _refuse_blank(secrets)
        plain = [one for one in self.bindings if not _is_asked_for(one, secrets)]
        _refuse_collisions(secrets, plain)
        keep_bindings = sorted(self.kept) if keep else []
        metadata = {**self.metadata, "bindings": plain, "keep_bindings": keep_bindings}
        return dataclasses.replace(self, metadata=metadata, secrets={**self.secrets, **secrets})

    def with_inherited(self, names: Iterable[str], version: str) -> Upload:
        """Take bindings over from one version; ``keep_bindings`` takes them from the latest.

        Args:
            names: of its bindings; those that this upload has itself are left out, and those
                that it is to inherit are taken from this version.
            version: the version's id.
        """
        own = [one for one in self.bindings if not (_is_open(one) and one["name"] in set(names))]
        taken = {str(binding["name"]) for binding in own} | set(self.secrets)
        inherited = [
            {"name": name, "type": "inherit", "version_id": version}
            for name in dict.fromkeys(names)
            if name not in taken
        ]
        return self._with(bindings=[*own, *inherited])

    def with_empty_open(self, fields: Mapping[str, str]) -> Upload:
        """Let what has an empty id be inherited, as wrangler writes what has none.

        Args:
            fields: type of a binding → its field that names the resource.
        """
        bindings = [
            {"name": one["name"], "type": "inherit"}
            if one.get(fields.get(str(one.get("type")), "type")) == ""
            else one
            for one in self.bindings
        ]
        return self._with(bindings=bindings)

    def with_bound(self, binding: Mapping[str, Any]) -> Upload:
        """Bind to a resource what was to be inherited under the same name."""
        own = [
            binding if _is_open(one) and one["name"] == binding["name"] else one
            for one in self.bindings
        ]
        return self._with(bindings=own)

    @property
    def unresolved(self) -> tuple[str, ...]:
        """Return the names that are to be inherited, and from no version yet.

        wrangler writes them for ``secrets.required``, and for a binding without an id.
        """
        return tuple(str(one["name"]) for one in self.bindings if _is_open(one))

    def with_variables(self, variables: Mapping[str, str]) -> Upload:
        """Set plain variables.

        Raises:
            Refused: the configuration has a variable or binding of the same name.
        """
        taken = sorted({str(binding["name"]) for binding in self.bindings} & set(variables))
        if taken:
            raise Refused(
                f"the Worker has a {taken[0]} of its own",
                "a release would replace it by the environment file's",
                f"take {taken[0]} out of wrangler's vars, or out of deploy.worker.variables",
            )
        added = [
            {"name": name, "type": "plain_text", "text": text} for name, text in variables.items()
        ]
        _refuse_collisions(self.secrets, added)
        return self._with(bindings=[*self.bindings, *added])

    def with_bucket(self, old: str, new: str) -> Upload:
        """Bind to another R2 bucket wherever the configuration names the old one."""
        bindings = [
            {**binding, "bucket_name": new} if binding.get("bucket_name") == old else binding
            for binding in self.bindings
        ]
        return self._with(bindings=bindings)

    def with_annotations(self, message: str = "", tag: str = "") -> Upload:
        """Name the version: what it is for, and the release it belongs to."""
        given = {**self.metadata.get("annotations", {}), **annotated(message, tag)}
        return self._with(annotations=given)

    def with_migrations(self, migrations: Mapping[str, Any]) -> Upload:
        """Let the upload change Durable Objects; only PUT script takes it."""
        return self._with(migrations=dict(migrations))

    def without_code(self) -> Upload:
        """Return the upload of static files alone; a dry run puts a Worker of its own there."""
        kept = {
            key: value
            for key, value in self.metadata.items()
            if key in ("compatibility_date", "compatibility_flags", "annotations")
        }
        return dataclasses.replace(self, metadata=kept, modules=())

    def with_assets(self, jwt: Secret, config: Mapping[str, Any]) -> Upload:
        """Attach uploaded static assets by the token that their upload ended with."""
        return self._with(assets={"jwt": jwt.reveal(), "config": dict(config)})

    def body(self) -> bytes:
        """Return the form's bytes; they hold the secrets."""
        parts = [_metadata_part(self._sent_metadata())]
        parts += [_module_part(module) for module in self.modules]
        line = f"--{self.boundary}\r\n".encode()
        return b"".join(line + part + b"\r\n" for part in parts) + line[:-2] + b"--\r\n"

    def _sent_metadata(self) -> dict[str, Any]:
        secret_bindings = [
            {"name": name, "type": "secret_text", "text": secret.reveal()}
            for name, secret in self.secrets.items()
        ]
        return {**self.metadata, "bindings": [*self.bindings, *secret_bindings]}

    def _with(self, **changes: Any) -> Upload:
        return dataclasses.replace(self, metadata={**self.metadata, **changes})


def annotated(message: str = "", tag: str = "") -> dict[str, str]:
    """Return a version's or a deployment's annotations; a message is cut to what is taken."""
    kept = message.encode()[:MESSAGE_BYTES].decode(errors="ignore")
    given = {"workers/message": kept, "workers/tag": tag}
    return {key: value for key, value in given.items() if value}


def _is_open(binding: Mapping[str, Any]) -> bool:
    return binding.get("type") == "inherit" and "version_id" not in binding


def _is_asked_for(binding: Mapping[str, Any], secrets: Mapping[str, Secret]) -> bool:
    return _is_open(binding) and binding["name"] in secrets


def read(body: bytes) -> Upload:
    """Read a body that wrangler wrote.

    Raises:
        Refused: it is no such form.
    """
    first, separator, _ = body.partition(b"\r\n")
    if not separator or not first.startswith(b"--"):
        raise _unreadable("the first line is no boundary")
    sections = (b"\r\n" + body).split(b"\r\n" + first)
    if not sections[-1].startswith(b"--"):
        raise _unreadable("it is cut short")
    parts = [_part(section) for section in sections[1:-1]]
    metadata = [content for name, _, content in parts if name == "metadata"]
    if len(metadata) != 1:
        raise _unreadable("it has no single part named metadata")
    return Upload(
        metadata=_parsed(metadata[0]),
        modules=tuple(
            # The runtime resolves "./x" and "x" alike; the API stores names without "./".
            Module(name.removeprefix("./"), media_type, content)
            for name, media_type, content in parts
            if name != "metadata"
        ),
        boundary=first[2:].decode("ascii"),
    )


def _part(section: bytes) -> tuple[str, str, bytes]:
    head, separator, content = section.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = HeaderParser().parsestr(head.decode("utf-8"))
    name = _parameter(headers, "name")
    if not separator or not name:
        raise _unreadable("a part has no name")
    return name, headers.get("Content-Type", "application/octet-stream"), content


def _parameter(headers: Message, name: str) -> str:
    value = headers.get_param(name, "", "Content-Disposition")
    text = value if isinstance(value, str) else ""
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        metadata = json.loads(content)
    except ValueError:
        raise _unreadable("its metadata is no JSON") from None
    if not isinstance(metadata, dict):
        raise _unreadable("its metadata is no JSON object")
    return metadata


def _metadata_part(metadata: Mapping[str, Any]) -> bytes:
    head = b'Content-Disposition: form-data; name="metadata"\r\n\r\n'
    return head + json.dumps(metadata, separators=(",", ":")).encode()


def _module_part(module: Module) -> bytes:
    name = module.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = (
        f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: {module.media_type}\r\n\r\n"
    )
    return head.encode() + module.content


def _refuse_blank(secrets: Mapping[str, Secret]) -> None:
    blank = sorted(name for name, secret in secrets.items() if not secret.reveal().strip())
    if blank:
        raise Refused(
            f"{', '.join(blank)} would be a blank secret",
            "a blank value would replace the Worker's good one",
            "set it in the environment file, or leave it out",
        )


def _refuse_collisions(names: Iterable[str], bindings: Iterable[Mapping[str, Any]]) -> None:
    taken = sorted(set(names) & {str(binding["name"]) for binding in bindings})
    if taken:
        raise Refused(
            f"{', '.join(taken)} would be both a secret and a plain binding",
            "a Worker has one binding a name: the plain one would destroy the secret",
            f"remove {taken[0]} from vars in the wrangler configuration",
        )


def _unreadable(why: str) -> Refused:
    return Refused(
        "wrangler's upload body cannot be read", why, "install wrangler 4.164 (npm ci), try again"
    )
