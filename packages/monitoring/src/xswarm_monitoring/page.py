"""What our pages share: their colours, and how a policy allows what stands in them."""

from __future__ import annotations

import base64
import hashlib

PALETTE = """
:root { color-scheme: light dark; --ink: #15191e; --soft: #57606a; --paper: #f5f7fa;
  --card: #ffffff; --line: #dfe4ea; --accent: #0860ca; --good: #116329; --warn: #7d4e00;
  --bad: #cf222e; --second: #7a3fe0; --third: #b6440a; --shadow: 0 1px 2px #1b1f2414; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e8edf3; --soft: #9da7b1;
  --paper: #0b0f14; --card: #151b23; --line: #2b333d; --accent: #5aa9ff; --good: #3fb950;
  --warn: #d9a029; --bad: #ff7b72; --second: #c09bff; --third: #f0924f; --shadow: none; } }
"""
"""Light and dark, printed light; text in each colour has a contrast of 4.5 and more."""


def source(text: str) -> str:
    """Return the source by which a content security policy allows an inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def headers(*sources: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of a page that may load nothing but what these sources allow."""
    fixed = ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
    policy = "; ".join(("default-src 'none'", *sources, "img-src data:", *fixed))
    return (
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )
