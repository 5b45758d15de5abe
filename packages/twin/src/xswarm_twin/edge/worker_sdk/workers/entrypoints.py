"""What a Worker exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from .objects import Env
from .types import Context

P = ParamSpec("P")
R = TypeVar("R")


class WorkerEntrypoint:
    """Base class of a Worker's ``Default``: one is made for each request.

    Args:
        ctx: lets something go on after the response.
        env: the bindings.
    """

    ctx: Context
    env: Env

    def __init__(self, ctx: Context, env: Env) -> None:
        self.ctx = ctx
        self.env = env

    def __init_subclass__(cls, **_kwargs: Any) -> None:
        super().__init_subclass__()


def handler(func: Callable[P, R]) -> Callable[P, R]:
    """Mark a handler whose arguments are Python's: here they always are."""
    return func
