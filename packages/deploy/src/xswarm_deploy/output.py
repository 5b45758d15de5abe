"""Output that nobody can have any more: its reader has gone (``| head``), or its disk is full."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO


def discard_output(stream: TextIO) -> None:
    """Discard what is still written to a stream, which cannot be written any more."""
    with suppress(OSError):  # neither a file of its own nor a way to nowhere: then it fails again
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
