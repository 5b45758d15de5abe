"""The command line: Invoke's program, its executor, and what tasks share."""

from __future__ import annotations

from xswarm_deploy import invoking as invoking  # before anything here imports Invoke
