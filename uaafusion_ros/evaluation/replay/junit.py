"""The verdict of a replay as JUnit XML, which every CI system shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from uaafusion_ros.evaluation.replay.report import check_sentence


def xml(metrics: Mapping[str, Any]) -> str:
    """
    Return one test suite named after the bag: a test `complete`, and one per threshold.

    A partial bag fails the former with its problems, a threshold that does not hold the latter.
    """
    name = metrics['inputs']['bag']['name']
    partial = metrics['status'] != 'complete'
    cases = [('complete', '; '.join(metrics['problems']) if partial else None)]
    for check in metrics['checks']:
        case = f"{check['metric']}.{check['statistic']}"
        cases.append((case, None if check['passed'] else check_sentence(check)))
    failures = str(sum(text is not None for _, text in cases))
    counts = {'tests': str(len(cases)), 'failures': failures, 'errors': '0'}
    root = ElementTree.Element('testsuites', counts)
    suite = ElementTree.SubElement(root, 'testsuite', {'name': name, **counts})
    for case, text in cases:
        node = ElementTree.SubElement(
            suite, 'testcase', {'classname': f'replay.{name}', 'name': case})
        if text is not None:
            ElementTree.SubElement(node, 'failure', {'message': text})
    ElementTree.indent(root)
    return ElementTree.tostring(root, 'unicode', xml_declaration=True) + '\n'
