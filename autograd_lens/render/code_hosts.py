"""Findings as code hosts read them: SARIF, which they show at the line, and JUnit's XML.

SARIF 2.1.0 is what code scanning reads. One run holds the findings of all traces. Files below
the working directory are named relative to it, as the host knows them; it should be the root of
the repository.

JUnit's XML is what test reports read: a suite for each trace, a case for each finding. Its only
words are passed, failed and skipped: a finding of severity error has failed, and a warning, which
is no failure, is skipped with its message, as hosts show these.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from autograd_lens.doctor.engine import KnownRule, find_rule
from autograd_lens.doctor.finding import Finding

__all__ = ["Examined", "junit_xml", "sarif_json"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in one trace.

    Attributes:
        file: The trace, as the user would type it.
        program: The script that was recorded, ``""`` where it is not known.
        cwd: The folder that it ran in.
        findings: What was found.
    """

    file: str
    program: str
    cwd: str
    findings: tuple[Finding, ...]


def sarif_json(examined: Sequence[Examined], *, version: str, root: Path) -> str:
    """Findings as a SARIF log.

    Args:
        examined: What was found, trace by trace.
        version: Version of this package.
        root: The folder that files are named relative to.
    """
    codes = sorted({finding.code for one in examined for finding in one.findings})
    driver = {
        "name": "autograd-lens",
        "semanticVersion": version,
        "rules": [_rule(find_rule(code)) for code in codes],
    }
    results = [_result(one, finding, codes, root) for one in examined for finding in one.findings]
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _rule(known: KnownRule) -> Object:
    summary, _, rest = known.page.strip().partition("\n")
    return {
        "id": known.rule.code,
        "name": "".join(map(str.capitalize, known.rule.name.split("-"))),
        "shortDescription": {"text": _plain(summary)},
        "help": {"text": _plain(rest.strip())},
        "defaultConfiguration": {"level": known.rule.severity},
    }


def _result(one: Examined, finding: Finding, codes: Sequence[str], root: Path) -> Object:
    where = {"artifactLocation": _artifact(_file(one, finding), root)} | _region(finding)
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": finding.severity,
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": where}],
        "properties": {"trace": one.file, "step": finding.step, "look": _look(one, finding)},
    }


def _file(one: Examined, finding: Finding) -> Path:
    """The file of the program that a finding is about; the script where no line is known."""
    named = finding.source.file if finding.source else one.program or one.file
    return Path(os.path.normpath(Path(one.cwd, named)))


def _artifact(file: Path, root: Path) -> Object:
    if file.is_relative_to(root):
        return {"uri": quote(file.relative_to(root).as_posix()), "uriBaseId": _ROOT}
    return {"uri": file.as_uri() if file.is_absolute() else quote(file.as_posix())}


def _region(finding: Finding) -> Object:
    if finding.source is None:
        return {}
    region: Object = {"startLine": finding.source.line, "endLine": finding.source.end_line}
    if finding.line:
        region["snippet"] = {"text": finding.line}
    return {"region": region}


def _message(finding: Finding) -> str:
    return f"{finding.title}\n\n{finding.message}\n\nFix:\n{finding.fix}"


def _look(one: Examined, finding: Finding) -> str:
    return finding.look.replace("{file}", one.file)


def _plain(text: str) -> str:
    return text.replace("``", "`")


def junit_xml(examined: Sequence[Examined], *, root: Path) -> str:
    """Findings as a report of tests.

    Args:
        examined: What was found, trace by trace.
        root: The folder that files are named relative to.
    """
    suites = ET.Element("testsuites", name="autograd-lens doctor")
    for one in examined:
        cases = list(_cases(one, root))
        counts = {
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "errors": "0",
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        }
        ET.SubElement(suites, "testsuite", {"name": one.file, **counts}).extend(cases)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True)


def _cases(one: Examined, root: Path) -> Iterator[ET.Element]:
    if not one.findings:
        yield ET.Element("testcase", name="nothing wrong was found", classname=one.file)
    for finding in one.findings:
        name = _printable(f"{finding.code} {finding.name}: {finding.title}")
        case = ET.Element("testcase", name=name, classname=one.file)
        if finding.source is not None:
            file = _file(one, finding)
            case.set("file", str(file.relative_to(root) if file.is_relative_to(root) else file))
            case.set("line", str(finding.source.line))
        grave = finding.severity == "error"
        told = ET.SubElement(case, "failure" if grave else "skipped")
        told.set("message", _printable(finding.title))
        if grave:
            told.set("type", finding.name)
        place = f"{finding.source.line}: {finding.line}\n\n" if finding.source else ""
        look = f"\n\n{_look(one, finding)}" if finding.look else ""
        told.text = _printable(f"{place}{_message(finding)}{look}")
        yield case


def _printable(text: str) -> str:
    """A text without the control characters that XML forbids."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)
