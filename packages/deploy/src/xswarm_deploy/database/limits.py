"""What the servers allow, told in advance: what exceeds it fails in the middle of the work."""

from __future__ import annotations

from typing import Final

LONGEST_TRANSACTION: Final = 5.0
"""Seconds after which libSQL's server, Turso's too, ends a transaction while another writer waits.

Source: libSQL's server, TXN_TIMEOUT, and measured with sqld 0.24: the writer gets
``TRANSACTION_TIMEOUT``, and nothing of its work remains.
"""
