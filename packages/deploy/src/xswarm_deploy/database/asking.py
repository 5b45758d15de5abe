"""What one request to a database may cost, and when it is sent a second time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from xswarm_deploy import texts
from xswarm_deploy.database.errors import DatabaseError, Kind
from xswarm_deploy.secret import redact

if TYPE_CHECKING:
    from requests import RequestException

T = TypeVar("T")

PACE: Final = 4096.0  # bytes; so many of an answer put its end off by a second
LARGEST: Final = 256 * 1024 * 1024  # bytes of an answer; libSQL's server itself ends at 10 MB
ODD: Final = (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
"""What reading an answer raises that is not the database's."""
LEADS_AWAY: Final = "the answer leads to another place: is it a network that wants a login?"
BLOCKED: Final = "(a firewall or a proxy answers in the database's place)"
_LONGEST: Final = 300  # characters of an unexpected answer that an error quotes
BETWEEN: Final = frozenset({502, 503, 504, *range(520, 528), 530})
"""Of what lies between: the database has not answered."""
_TOO_MANY: Final = 429
_CUT_DOWN: Final = "see that the database's address is right; else ask for less at a time"
_WAIT: Final = "wait a minute, then run it again: it limits how often it is asked"
_KINDS: Final[dict[int, Kind]] = {401: "unauthorised", 403: "unauthorised", 413: "too large"}


def once_more(act: Callable[[], T], *, harmless: bool, anew: Callable[[], None]) -> T:
    """Run a request, and once more where its connection broke.

    Servers and load balancers close connections that were silent for a while, and the next request
    meets that. Only what is harmless is repeated: a lost answer says nothing of what was done.

    Args:
        act: sends the request.
        harmless: it changes nothing, however often it is run.
        anew: closes the connections that are kept.

    Raises:
        DatabaseError: the last one.
    """
    try:
        return act()
    except DatabaseError as error:
        if not (harmless and error.passing):
            raise
    anew()
    return act()


def unreached(error: RequestException, remedy: str = "") -> DatabaseError:
    """Return the error for a request without a whole answer.

    Args:
        error: what requests raised.
        remedy: what to do where the error itself does not say; empty: what the kind of error says.
    """
    from xswarm_deploy import transport

    why, sent, told = transport.reason(error), transport.was_sent(error), transport.remedy(error)
    if isinstance(error, transport.TooLarge):
        return DatabaseError("too large", why, in_doubt=sent, remedy=_CUT_DOWN)
    passing = transport.broke(error)
    return DatabaseError("unavailable", why, in_doubt=sent, remedy=told or remedy, passing=passing)


def refused(status: int, said: str, remedy: str = "", kind: Kind | None = None) -> DatabaseError:
    """Return the error for an answer that is not the database's own, by its status.

    Args:
        status: of HTTP.
        said: the body.
        remedy: what to do; empty: what the kind of error says.
        kind: in place of the one that the status stands for.
    """
    other = texts.of_another(said)
    why = f"HTTP {status}: {redact(other or said)[:_LONGEST]}"
    doubt = status >= 500 or status < 300
    if status == _TOO_MANY:
        return DatabaseError(kind or "unavailable", why, remedy=_WAIT)
    if 300 <= status < 400:
        return DatabaseError("unavailable", f"{why} {LEADS_AWAY}", remedy=remedy)
    if other and 400 <= status < 500:
        return DatabaseError("unavailable", f"{why} {BLOCKED}", remedy=remedy or texts.UNBLOCK)
    found: Kind = kind or _KINDS.get(status, "unavailable")
    return DatabaseError(found, why, in_doubt=doubt, remedy=remedy, passing=status in BETWEEN)
