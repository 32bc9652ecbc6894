"""The report's file: what it says, that nothing in it can act, and that it needs nobody."""

from __future__ import annotations

import base64
from dataclasses import replace
import hashlib
from html import unescape
import json
import re

import cv2
import numpy as np
import pytest
from report_case import check
from report_case import measured
from report_case import samples
from report_case import START_NS
from report_case import timed

from uaafusion_ros.evaluation.page import Sample
from uaafusion_ros.evaluation.page import write_page
from uaafusion_ros.evaluation.page.document import number
from uaafusion_ros.evaluation.page.page import curves
from uaafusion_ros.evaluation.page.page import verdict
from uaafusion_ros.evaluation.page.pictures import data_uri


def written(tmp_path, metrics, pictures=()):
    path = tmp_path / 'out' / 'report.html'
    write_page(path, metrics, timed(), pictures)
    return path.read_text(encoding='utf-8')


def data_of(text):
    return json.loads(re.search(
        r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


@pytest.mark.parametrize('status, kind, word, sentence', [
    ('complete', 'pass', 'Pass', 'All 4 checks are met on 60 fused pairs.'),
    ('complete', 'fail', 'Fail', '2 of 4 checks not met, on 60 fused pairs.'),
    ('complete', 'none', 'No verdict',
     'No thresholds were given, so the numbers from 60 fused pairs are not judged.'),
    ('partial', 'pass', 'Pass so far',
     'All 4 checks are met on 60 fused pairs. The rest of the bag is not judged.')])
def test_the_verdict_comes_first_and_in_words(tmp_path, status, kind, word, sentence):
    metrics = measured(status=status, verdict=kind)
    said = verdict(metrics)
    assert (said['kind'], said['word'], said['sentence']) == (kind, word, sentence)
    text = written(tmp_path, metrics)
    assert f'<title>{word}: night_2026_10_31</title>' in text
    assert text.index(sentence) < text.index('id="checks-title"' if kind != 'none' else '<footer')


def test_an_unmet_check_is_explained_in_a_sentence(tmp_path):
    text = unescape(written(tmp_path, measured()))
    assert 'Qabf (mean) is 0.44, at least 0.5 is required.' in text
    assert 'mIoU (mean) could not be measured, at least 0.5 is required.' in text
    metrics = measured()
    metrics['checks'] = [check('x', 'p95', 7.0, minimum=1, maximum=3.5, passed=False)]
    assert 'x (p95) is 7, 1 to 3.5 is required.' in written(tmp_path, metrics)


def test_a_partial_result_is_marked_and_a_whole_one_is_not(tmp_path):
    partial = written(tmp_path, measured(status='partial'))
    assert '>Partial result</h2>' in partial
    assert 'the bag ends within a message: 60 of 75 pairs were read' in partial
    assert 'Partial result' not in written(tmp_path, measured())


def test_the_policy_admits_the_page_itself_and_nothing_else(tmp_path):
    text = written(tmp_path, measured(), samples(measured()))
    policy = unescape(re.search(
        r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1])
    allowed = dict(part.strip().split(' ', 1) for part in policy.split(';'))
    script, = re.findall(r'<script>(.*?)</script>', text, re.DOTALL)
    style, = re.findall(r'<style>(.*?)</style>', text, re.DOTALL)
    for kind, content in (('script-src', script), ('style-src', style)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert allowed.pop(kind) == f"'sha256-{digest}'"
    assert allowed == {'default-src': "'none'", 'base-uri': "'none'", 'form-action': "'none'",
                       'img-src': 'data:'}
    assert not re.findall(r'\b(?:src|href)="(?!#)', text)
    assert set(re.findall(r'https?://[^\s"\'<)]+', text)) <= {'http://www.w3.org/2000/svg'}


def test_texts_from_the_bag_stay_texts(tmp_path):
    """Whatever a bag, topic, metric, mode, class or problem is called, no tag comes of it."""
    evil = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'&<!--'
    metrics = measured(status='partial')
    metrics['problems'] = [evil]
    metrics['inputs']['bag']['name'] = metrics['inputs']['topics']['rgb'] = evil
    metrics['inputs']['config']['values'] = {evil: [evil]}
    metrics['modes'] = {evil: 1.0}
    metrics['summary'][evil] = metrics['summary']['VIF']
    metrics['checks'][0]['metric'] = metrics['checks'][2]['statistic'] = evil
    metrics['segmentation']['classes'][1]['name'] = evil
    metrics['counts'] = {evil: 1}
    for frame in metrics['frames']:
        frame['mode'] = evil
        frame['metrics'][evil] = 1.0
    text = written(tmp_path, metrics)
    assert text.count('<script') == 2 and text.count('</script') == 2
    assert '<img src=x' not in text and '<!--' not in text
    assert text.count('&lt;img src=x') > 8
    data = data_of(text)
    assert evil in data['modes'] and evil in [series['name'] for series in data['series']]


def test_values_that_are_not_known_stay_unknown(tmp_path):
    metrics = measured()
    metrics['frames'][3]['metrics']['VIF'] = float('nan')
    metrics['summary']['VIF'].update(mean=None, p05=float('nan'))
    metrics['segmentation'] = None
    metrics['inputs']['model'].update(sha256=None, precision=None)
    text = written(tmp_path, metrics)
    values = next(s for s in data_of(text)['series'] if s['name'] == 'VIF')['values']
    assert values[3] is None and values[7] is None and None not in values[8:]
    assert 'NaN' not in text and 'None' not in text and 'id="segmentation-title"' not in text


def test_a_bag_without_a_single_pair_still_gets_a_page(tmp_path):
    metrics = measured(status='partial')
    metrics.update(frames=[], summary={}, modes={}, segmentation=None, verdict='fail', checks=[],
                   samples={'worst': [], 'best': [], 'spaced': []}, counts={})
    text = written(tmp_path, metrics)
    assert 'Nothing could be judged on 0 fused pairs.' in text
    assert data_of(text)['series'] == []


def test_times_are_seconds_that_javascript_can_hold():
    columns = curves(measured())
    assert columns['seconds'][:3] == [0.0, 0.1, 0.2] and columns['indices'][:3] == [0, 1, 2]
    assert str(START_NS) not in json.dumps(columns)
    assert [columns['modes'][n] for n in columns['mode'][24:26]] == ['fused', 'thermal_only']


def test_twelve_vga_frames_stay_below_ten_megabytes(tmp_path):
    metrics = measured()
    metrics['samples'] = {'worst': [0, 5, 10, 15], 'best': [20, 25, 30, 35],
                          'spaced': [40, 45, 50, 55]}
    noise = np.random.default_rng(0).normal(0, 4, (480, 640, 1))
    grainy = []
    for sample in samples(metrics):
        images = {name: cv2.resize(getattr(sample, name), (640, 480)) for name in
                  ('rgb', 'thermal', 'fused', 'overlay')}
        images = {name: np.clip(image + noise.reshape(480, 640, *[1] * (image.ndim - 2)), 0, 255)
                  .astype(np.uint8) for name, image in images.items()}
        grainy.append(replace(sample, **images))
    text = written(tmp_path, metrics, grainy)
    assert text.count('base64,') == 48
    assert 1e6 < len(text) < 10e6


def test_pictures_keep_their_colours():
    image = np.zeros((48, 64, 3), np.uint8)
    image[:] = (200, 100, 20)
    head, coded = data_uri(image).split(',')
    assert head in ('data:image/webp;base64', 'data:image/jpeg;base64')
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_COLOR)
    assert seen.shape == (48, 64, 3)
    assert np.abs(seen[20, 30].astype(int) - (20, 100, 200)).max() < 6  # OpenCV decodes to BGR


def test_pictures_are_jpeg_where_opencv_has_no_webp(monkeypatch):
    encode = cv2.imencode
    monkeypatch.setattr(cv2, 'imencode', lambda suffix, *rest: (
        (False, None) if suffix == '.webp' else encode(suffix, *rest)))
    assert data_uri(np.zeros((8, 8), np.uint8)).startswith('data:image/jpeg;base64,/9j/')


def test_what_is_measured_now_and_then_has_values_for_those_frames_only():
    metrics = measured()
    for frame in metrics['frames']:
        if frame['index'] % 5:
            del frame['metrics']['VIF']
    vif, qabf = curves(metrics)['series'][:2]
    assert vif['at'] == list(range(0, 60, 5)) and len(vif['values']) == 12
    assert qabf['at'] == list(range(60))


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path):
    before = written(tmp_path, measured())
    with pytest.raises(KeyError):
        write_page(tmp_path / 'out' / 'report.html', {}, {}, [])
    assert (tmp_path / 'out' / 'report.html').read_text(encoding='utf-8') == before
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['report.html']


@pytest.mark.parametrize('value, text', [
    (None, 'n/a'), (float('nan'), 'n/a'), (True, 'yes'), (1234567, '1,234,567'),
    (0.123456, '0.1235'), (12345.6, '12,346'), (120.0, '120'), ('<b>', '<b>')])
def test_numbers_are_written_for_people(value, text):
    assert number(value) == text


def test_a_sample_cannot_be_altered():
    image = np.zeros((2, 2, 3), np.uint8)
    sample = Sample(0, 1, image, image[..., 0], image, image)
    with pytest.raises(AttributeError):
        sample.index = 1
