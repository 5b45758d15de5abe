"""The dashboard's page: one file, without a build step or anything from elsewhere."""

from __future__ import annotations

HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
PAGE = "<!doctype html><html lang=en><title>Status</title>"
