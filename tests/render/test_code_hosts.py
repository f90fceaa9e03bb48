"""What code hosts read of findings: the fields they look at, and names as they know them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from autograd_lens.doctor.finding import Finding
from autograd_lens.render.code_hosts import Examined, junit_xml, sarif_json
from autograd_lens.trace.records import Source

ROOT = Path("/home/me/project")


def finding(file: str = "my train.py", **other: Any) -> Finding:
    fields: dict[str, Any] = {
        "code": "AL101",
        "name": "stale-gradient",
        "severity": "error",
        "title": "w: updated with old gradients",
        "message": "w.grad is not cleared.",
        "fix": "optimizer.zero_grad()",
        "step": 1,
        "source": Source(file, 13, 14, 4, 9, "train"),
        "line": "loss.backward()",
        "look": "autograd-lens trace {file} --steps 0:2",
    }
    return Finding(**fields | other)


WARNING = finding(code="AL607", name="ended-early", severity="warning", source=None, line="")


def examined(*findings: Finding) -> Examined:
    return Examined("a.lens", "train.py", str(ROOT), findings)


def results(*findings: Finding) -> tuple[list[Any], list[Any]]:
    log = json.loads(sarif_json([examined(*findings)], version="1.2.3", root=ROOT))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["tool"]["driver"]["name"] == "autograd-lens"
    return run["results"], run["tool"]["driver"]["rules"]


def where(one: Any) -> Any:
    (location,) = one["locations"]
    return location["physicalLocation"]


def test_sarif_names_rule_level_message_and_line() -> None:
    (one,), rules = results(finding())
    assert (one["ruleId"], one["level"]) == ("AL101", "error")
    assert one["message"]["text"].startswith("w: updated with old gradients\n\nw.grad is not")
    assert where(one) == {
        "artifactLocation": {"uri": "my%20train.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 13, "endLine": 14, "snippet": {"text": "loss.backward()"}},
    }
    assert one["properties"]["look"] == "autograd-lens trace a.lens --steps 0:2"
    assert rules[one["ruleIndex"]]["id"] == "AL101"
    assert set(rules[0]) == {"id", "name", "shortDescription", "help", "defaultConfiguration"}


def test_sarif_names_each_rule_once_and_results_refer_to_it() -> None:
    found, rules = results(WARNING, finding(), finding())
    assert [rule["id"] for rule in rules] == ["AL101", "AL607"]
    assert [one["ruleIndex"] for one in found] == [1, 0, 0]


def test_a_finding_without_a_line_is_about_the_script() -> None:
    (one,), _ = results(WARNING)
    assert where(one) == {"artifactLocation": {"uri": "train.py", "uriBaseId": "%SRCROOT%"}}


def test_files_elsewhere_are_named_in_full() -> None:
    found, _ = results(finding("/opt/lib.py"), finding("../lib.py"), finding("./in/../b.py"))
    uris = [where(one)["artifactLocation"]["uri"] for one in found]
    assert uris == ["file:///opt/lib.py", "file:///home/me/lib.py", "b.py"]


def test_sarif_of_a_healthy_run_has_no_results() -> None:
    assert results() == ([], [])


def test_junit_fails_for_errors_alone() -> None:
    suites = ET.fromstring(
        junit_xml([examined(finding(), WARNING), Examined("b.lens", "", "", ())], root=ROOT)
    )
    bad, good = suites
    assert bad.attrib == {
        "name": "a.lens",
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    error, warning = bad
    assert (error.get("file"), error.get("line")) == ("my train.py", "13")
    assert error.findtext("failure", "").startswith("13: loss.backward()\n\nw: updated")
    assert error[0].attrib == {
        "message": "w: updated with old gradients",
        "type": "stale-gradient",
    }
    assert (warning[0].tag, set(warning[0].attrib)) == ("skipped", {"message"})
    assert warning.get("line") is None
    assert [case.get("name") for case in good] == ["nothing wrong was found"]
    assert good.get("failures") == "0"


def test_junit_holds_no_letter_that_xml_forbids() -> None:
    suites = ET.fromstring(junit_xml([examined(finding(title="a\x1bb\ttab <&>"))], root=ROOT))
    assert suites[0][0][0].get("message") == "a?b\ttab <&>"
