"""PromQL over the families that the monitoring exposes: the one place where it is written."""

from __future__ import annotations

from xswarm_monitoring.instruments import Family, Kind

BY = ("environment", "service")
"""The labels that the scrape gives every series, and that every rule keeps."""

ERRORS = {"status": "5.."}
"""What :func:`xswarm_monitoring.report.is_error` calls an error, as matchers."""
FAILED_REQUESTS = {"outcome": "error"}
"""The same by outcome, whose series are there from the start."""
FAILED_QUERIES = {"outcome": "error"}
FAILED_PAYMENTS = {"outcome": "failed"}


def count(family: Family, matching: dict[str, str] | None = None) -> str:
    """Return the series that counts a family, e.g. ``http_request_duration_seconds_count``."""
    suffix = "_total" if family.kind is Kind.COUNTER else "_count"
    return f"{family.name}{suffix}{selector(family, matching)}"


def selector(family: Family, matching: dict[str, str] | None) -> str:
    """Write matchers, each a regular expression, in braces.

    Raises:
        KeyError: the family has no such label.
    """
    for label in matching or {}:
        if label not in (*family.labels, *BY):
            raise KeyError(f"{family.name} has no label {label}")
    text = ",".join(f'{label}=~"{pattern}"' for label, pattern in (matching or {}).items())
    return f"{{{text}}}" if text else ""


def rate(
    family: Family,
    window: str,
    matching: dict[str, str] | None = None,
    by: tuple[str, ...] = (),
) -> str:
    """Return how many a second, summed by labels beside those of the scrape."""
    return f"sum by ({', '.join((*BY, *by))}) (rate({count(family, matching)}[{window}]))"


def increase(family: Family, window: str, matching: dict[str, str] | None = None) -> str:
    """Return by how much a counter grew in a window."""
    return f"sum by ({', '.join(BY)}) (increase({count(family, matching)}[{window}]))"


def ratio(
    family: Family,
    window: str,
    matching: dict[str, str],
    by: tuple[str, ...] = (),
    within: dict[str, str] | None = None,
) -> str:
    """Return the part of all that matches; 0 where none does, NaN where there is nothing.

    Args:
        family: what is counted.
        window: over which, as Prometheus writes it.
        matching: what the part is of.
        by: labels beside those of the scrape.
        within: what the whole is; all by default.
    """
    whole = rate(family, window, within, by)
    part = rate(family, window, {**(within or {}), **matching}, by)
    return f"({part} or 0 * {whole}) / {whole}"


def quantile(
    q: float,
    family: Family,
    window: str,
    by: tuple[str, ...] = (),
    matching: dict[str, str] | None = None,
) -> str:
    """Return a quantile from a family's histogram.

    Whether it lies above a threshold is exact where the threshold is one of the family's
    boundaries (2 s is), and interpolated where it is not.
    """
    labels = ", ".join((*BY, *by, "le"))
    bucket = f"{family.name}_bucket{selector(family, matching)}"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({bucket}[{window}])))"


def mean(family: Family, window: str, matching: dict[str, str] | None = None) -> str:
    """Return the mean of a distribution."""
    chosen = selector(family, matching)
    total, number = (
        f"sum by ({', '.join(BY)}) (rate({family.name}_{part}{chosen}[{window}]))"
        for part in ("sum", "count")
    )
    return f"{total} / {number}"
