"""JUnit XML of the xunit2 family, as CI systems read it: a suite a result, a case a check.

Source: the Jenkins xUnit plugin's schema, which pytest's `xunit2` follows too.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from dllab.export.grades import Grade, ShownRow
from dllab.export.wording import explain, number

NO_TIME = "0"  # results do not say how long a check took


def suites_xml(grades: Sequence[Grade]) -> str:
    """One document for all grades. A verdict other than graded is an error of its suite."""
    root = ET.Element("testsuites")
    root.extend(_suite(grade) for grade in grades)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(grade: Grade) -> ET.Element:
    cases = [_case(grade, row) for row in grade.rows]
    if not grade.graded:
        cases.append(_verdict_case(grade))
    tags = [child.tag for case in cases for child in case]
    suite = ET.Element(
        "testsuite",
        name=f"{grade.lab} {grade.learner}",
        errors=str(tags.count("error")),
        failures=str(tags.count("failure")),
        skipped=str(tags.count("skipped")),
        tests=str(len(cases)),
        time=NO_TIME,
        timestamp=f"{grade.received_at or grade.graded_at:%Y-%m-%dT%H:%M:%S}",
        hostname=grade.device or "unknown",
    )
    properties = ET.SubElement(suite, "properties")
    properties.extend(
        ET.Element("property", name=name, value=value) for name, value in _facts(grade).items()
    )
    suite.extend(cases)
    return suite


def _facts(grade: Grade) -> dict[str, str]:
    points = {"score": number(grade.score), "max_score": number(grade.max_score)}
    return {
        "learner": grade.learner,
        "verdict": grade.verdict,
        "passed": str(grade.passed).lower(),
        **(points if grade.graded else {}),
        "mode": grade.mode,
        "evaluated_on": grade.evaluated_on,
        "submission": grade.submission,
        "grader_version": grade.grader_version,
    }


def _case(grade: Grade, row: ShownRow) -> ET.Element:
    case = ET.Element("testcase", classname=f"{grade.lab}.{row.kind}", name=row.title, time=NO_TIME)
    points = f"{number(row.points)} of {number(row.max_points)} points"
    if row.status == "skip":
        case.append(ET.Element("skipped", message=row.message or "skipped"))
    elif row.passed is None:
        case.append(ET.Element("error", message=row.message or row.status, type=row.status))
    elif not row.passed:
        failure = ET.Element("failure", message=row.message or points, type=row.status)
        failure.text = points
        case.append(failure)
    return case


def _verdict_case(grade: Grade) -> ET.Element:
    case = ET.Element("testcase", classname=f"{grade.lab}.verdict", name="Verdict", time=NO_TIME)
    case.append(ET.Element("error", message=explain(grade), type=grade.verdict))
    return case
