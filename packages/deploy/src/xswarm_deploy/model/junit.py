"""A report as JUnit XML, for the test page of a CI."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from xswarm_deploy.errors import Refused
from xswarm_deploy.model.report import Finding, Report
from xswarm_deploy.private import make_folder
from xswarm_deploy.secret import redact


def write(file: Path, report: Report) -> None:
    """Write a report to a file, and make its folder where there is none.

    Raises:
        Refused: the file cannot be written.
    """
    try:
        make_folder(file.absolute().parent)
        file.write_text(render(report), encoding="utf-8")
    except OSError as error:
        why = error.strerror or ""
        raise Refused(f"{file} cannot be written", why, "name another file") from None


def render(report: Report) -> str:
    """Write a report as one test suite; what could not be told counts as skipped.

    Args:
        report: the findings, a test case each.
    """
    counts = report.counts
    suite = ElementTree.Element(
        "testsuite",
        name=report.title,
        tests=str(len(report.findings)),
        failures=str(counts["failed"]),
        errors="0",
    )
    suite.extend(_case(finding) for finding in report.findings)
    return redact(ElementTree.tostring(suite, encoding="unicode", xml_declaration=True))


def _case(finding: Finding) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=finding.group,
        name=finding.name,
        time=f"{finding.milliseconds / 1000:.3f}",
    )
    text = f"{finding.evidence}\n{finding.remedy}".strip()
    if finding.status == "fail":
        ElementTree.SubElement(case, "failure", message=finding.evidence).text = text
    elif finding.status in ("unknown", "skip"):
        ElementTree.SubElement(case, "skipped", message=finding.evidence)
    elif finding.status == "warn":
        ElementTree.SubElement(case, "system-out").text = f"warning: {text}"
    return case
