"""CI systems see one test per limit, and one for the bag itself."""

from __future__ import annotations

from xml.etree import ElementTree

from uaafusion_ros.evaluation.replay.junit import xml

CHECKS = [
    {'metric': 'Qabf', 'statistic': 'mean', 'value': 0.5, 'minimum': 0.4, 'maximum': None,
     'passed': True},
    {'metric': 'miou', 'statistic': 'value', 'value': 0.1, 'minimum': 0.4, 'maximum': None,
     'passed': False}]


def suite(status):
    text = xml({'inputs': {'bag': {'name': 'a<b'}}, 'checks': CHECKS, 'status': status,
                'problems': ['the bag is truncated & short']})
    return ElementTree.fromstring(text.encode()).find('testsuite')


def test_a_broken_limit_is_a_failure():
    found = suite('complete')
    assert (found.get('name'), found.get('tests'), found.get('failures')) == ('a<b', '3', '1')
    cases = {case.get('name'): case.find('failure') for case in found}
    assert list(cases) == ['complete', 'Qabf.mean', 'miou.value']
    assert cases['complete'] is None and cases['Qabf.mean'] is None
    assert cases['miou.value'].get('message') == 'miou value is 0.1; asked is at least 0.4'


def test_a_partial_bag_is_a_failure():
    found = suite('partial')
    assert found.get('failures') == '2'
    assert found.find('testcase/failure').get('message') == 'the bag is truncated & short'
