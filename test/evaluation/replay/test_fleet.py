"""Many bags: what is kept, what is done again, what a dying worker costs, and the summary page."""

from __future__ import annotations

from dataclasses import replace as changed
from functools import cache
from functools import partial
import json
import os
from pathlib import Path
import re
import signal
import sys
import threading
import time

import numpy as np
import pytest
from report_case import measured

from uaafusion_ros.cli.main import main
from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.page import BagResult
from uaafusion_ros.evaluation.page import write_fleet_page
from uaafusion_ros.evaluation.page.fleet_page import verdict
from uaafusion_ros.evaluation.replay import fleet
from uaafusion_ros.evaluation.replay.fleet import fingerprint
from uaafusion_ros.evaluation.replay.fleet import finished
from uaafusion_ros.evaluation.replay.fleet import replay_into
from uaafusion_ros.evaluation.replay.fleet import run_fleet
from uaafusion_ros.evaluation.replay.run import replay
from uaafusion_ros.evaluation.replay.run import ReplayOptions

OPTIONS = ReplayOptions(threads=1, metrics_every=2)


def make_bag(path, seed, frames=4):
    random = np.random.default_rng(seed)
    with BagWriter(path) as bag:
        for n in range(frames):
            rgb, thermal = (random.integers(0, 256, shape, np.uint8)
                            for shape in ((48, 64, 3), (48, 64)))
            bag.add_image('/rgb/image_raw', rgb, 'rgb8', (n + 1) * 10**8, 'rgb')
            bag.add_image('/thermal/image_raw', thermal, 'mono8', (n + 1) * 10**8, 'thermal')
    return path


@pytest.fixture
def bag(tmp_path):
    return make_bag(tmp_path / 'night', seed=0)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def standin(bag, out, options, status='complete', sha256=None):
    """Write what a replay would, without fusing anything."""
    source = BagSource(bag)
    metrics = measured(frames=3, status=status)
    metrics['inputs']['bag'] = vars(source.identity())
    if sha256:
        metrics['inputs']['bag']['sha256'] = sha256
    metrics['inputs']['model']['sha256'] = request_of(options)['model']
    with (out.parent.parent / 'calls').open('a') as log:
        log.write(f'{source.name}\n')
    path = out / source.name / 'metrics.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(metrics))
    return metrics


@cache
def request_of(options):
    return fingerprint(options)


def once(bag, out, options=OPTIONS, **result):
    return replay_into(bag, out, options, request_of(options), partial(standin, **result))


def calls(tmp_path):
    return (tmp_path / 'calls').read_text().split()


def test_a_finished_bag_is_kept(tmp_path, bag):
    first = once(bag, tmp_path / 'out')
    assert (first.state, first.pairs, first.reason) == ('done', 3, '')
    folder = tmp_path / 'out' / first.folder
    assert first.folder == f'night-{BagSource(bag).identity().sha256[:8]}'
    assert files(tmp_path / 'out') == [f'{first.folder}/inputs.json',
                                       f'{first.folder}/metrics.json']
    again = once(bag, tmp_path / 'out')
    assert again == changed(first, state='kept')
    assert calls(tmp_path) == ['night']
    assert finished(folder, {**request_of(OPTIONS), 'bag': '0' * 64}) is None


@pytest.mark.parametrize('harm', [
    lambda folder: (folder / 'metrics.json').unlink(),
    lambda folder: (folder / 'inputs.json').unlink(),
    lambda folder: (folder / 'metrics.json').write_text('{"status": "comp'),
    lambda folder: (folder / 'metrics.json').write_text('[]'),
    lambda folder: (folder / 'metrics.json').write_text(
        (folder / 'metrics.json').read_text().replace('"complete"', '"partial"')),
], ids=['no metrics', 'no inputs', 'half a file', 'another file', 'partial'])
def test_an_incomplete_result_is_made_again(tmp_path, bag, harm):
    folder = tmp_path / 'out' / once(bag, tmp_path / 'out').folder
    (folder / 'left_over').touch()
    harm(folder)
    assert once(bag, tmp_path / 'out').state == 'done'
    assert calls(tmp_path) == ['night', 'night']
    assert files(folder) == ['inputs.json', 'metrics.json']


@pytest.mark.parametrize('other', [
    {'limit': 2}, {'every': 2}, {'metrics_every': 1}, {'threads': 2},
    {'thresholds': 'limits.yaml'}, {'config': 'fusion.yaml'}, {'rgb_topic': '/rgb/image_raw'},
], ids=lambda other: next(iter(other)))
def test_another_request_is_answered_anew(tmp_path, bag, other):
    (tmp_path / 'limits.yaml').write_text('- {metric: Qabf, minimum: 0.4}\n')
    (tmp_path / 'fusion.yaml').write_text(
        '/**/fusion_node:\n  ros__parameters:\n    sync.slop_ms: 7.0\n')
    other = {key: tmp_path / value if key in ('thresholds', 'config') else value
             for key, value in other.items()}
    once(bag, tmp_path / 'out')
    assert once(bag, tmp_path / 'out', changed(OPTIONS, **other)).state == 'done'
    assert calls(tmp_path) == ['night', 'night']


def test_a_partial_result_is_shown_and_tried_again(tmp_path, bag):
    for _ in range(2):
        result = once(bag, tmp_path / 'out', status='partial')
        assert result.state == result.outcome == 'partial'
        assert result.reason == 'the bag ends within a message: 60 of 75 pairs were read'
    assert calls(tmp_path) == ['night', 'night']


def test_what_a_dead_worker_left_is_cleared_away(tmp_path, bag):
    out = tmp_path / 'out'
    folder = once(bag, out).folder
    (out / folder / 'metrics.json').unlink()
    (out / f'.{folder}' / 'night').mkdir(parents=True)
    (out / f'.{folder}' / 'night' / 'output.mcap').touch()
    assert once(bag, out).state == 'done'
    assert files(out) == [f'{folder}/inputs.json', f'{folder}/metrics.json']


def test_a_bag_that_grows_while_it_is_read_is_no_result(tmp_path, bag):
    result = once(bag, tmp_path / 'out', sha256='f' * 64)
    assert result.state == 'failed' and 'altered while it was read' in result.reason
    assert files(tmp_path / 'out') == []


def test_an_error_of_the_user_is_a_result_and_one_of_the_program_is_not(tmp_path, bag):
    def refuse(bag, out, options):
        raise BagError('the bag is torn')

    result = replay_into(bag, tmp_path, OPTIONS, request_of(OPTIONS), refuse)
    assert (result.state, result.reason, result.metrics) == ('failed', 'the bag is torn', None)
    with pytest.raises(ZeroDivisionError):
        replay_into(bag, tmp_path, OPTIONS, request_of(OPTIONS), lambda *_: 1 // 0)


def test_options_that_fit_no_bag_end_before_ray_starts(tmp_path, bag, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(ParameterError, match='0 workers'):
        run_fleet([bag], tmp_path / 'out', OPTIONS, workers=0)
    with pytest.raises(UaafusionError, match='no_such_preset'):
        run_fleet([bag], tmp_path / 'out', changed(OPTIONS, preset='no_such_preset'))
    with pytest.raises(DependencyError, match='pip install ray'):
        run_fleet([bag], tmp_path / 'out', OPTIONS)


def test_a_fleet_is_not_played_live(capsys, bag, tmp_path):
    assert main(['fleet', str(bag), '--out', str(tmp_path), '--live']) == 2
    assert 'replayed offline' in capsys.readouterr().err


def noted(bag, out, options, log, test_pid):
    """Replay, leaving a note of who did it; wait to be killed for the bag called 'victim'."""
    (log / f'{bag.name}.{time.monotonic_ns()}').write_text(str(os.getpid()))
    if bag.name == 'victim' and not (log / 'again').exists():
        (log / 'heard').write_text(json.dumps(listening(test_pid)))
        (log / 'ready').touch()
        time.sleep(120)
    if bag.name == 'broken':
        raise RuntimeError('a fault of the program')
    return replay(bag, out, options)


def listening(root):
    """Return the addresses on which a process and its descendants are heard (Linux, hex)."""
    parents = {}
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(')')[2].split()[1])
        except OSError:
            continue
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    inodes = set()
    for pid in family:
        try:
            inodes |= {os.readlink(fd) for fd in Path(f'/proc/{pid}/fd').iterdir()}
        except OSError:
            continue
    rows = [line.split() for table in ('tcp', 'tcp6')
            for line in Path(f'/proc/net/{table}').read_text().splitlines()[1:]]
    return [row[1].rpartition(':')[0] for row in rows
            if row[3] == '0A' and f'socket:[{row[9]}]' in inodes]


def import_ray():
    """Import Ray as a fleet does, which decides who can hear it."""
    try:
        return fleet.import_ray(None)
    except DependencyError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_a_killed_worker_loses_its_bag_only_and_a_second_call_makes_it_up(tmp_path):
    """SIGKILL in the middle of a bag; the others end, and are kept by the next call."""
    ray = import_ray()
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import it
    log = tmp_path / 'log'
    log.mkdir()
    names = ('first', 'victim', 'second', 'third', 'broken')
    bags = [make_bag(tmp_path / name, n) for n, name in enumerate(names)]
    out = tmp_path / 'out'
    work = partial(noted, log=log, test_pid=os.getpid())

    def kill():
        while not (log / 'ready').exists():
            time.sleep(0.05)
        victim, = log.glob('victim.*')
        os.kill(int(victim.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    reported = []
    first = run_fleet(bags, out, OPTIONS, workers=2, replay=work, report=reported.append)
    killer.join(timeout=1)
    assert [result.state for result in first] == [
        'done', 'failed', 'done', 'done', 'failed'], first
    assert 'its worker died' in first[1].reason
    assert 'RuntimeError' in first[4].reason and 'a fault of the program' in first[4].reason
    assert sorted(result.bag for result in reported) == sorted(map(str, bags))
    done = {r.folder: (out / r.folder / 'metrics.json').read_bytes() for r in first if r.folder}
    assert len(done) == 3 and all((out / folder / 'report.html').is_file() for folder in done)
    page = (out / 'fleet.html').read_text()
    assert 'its worker died' in page and page.count('/report.html"') == 3
    heard = json.loads((log / 'heard').read_text())
    loopback = {'0100007F', '0' * 24 + '01000000', '0' * 16 + 'FFFF0000' + '0100007F'}
    assert heard and set(heard) <= loopback, heard

    (log / 'again').touch()
    second = run_fleet(bags[:4], out, OPTIONS, workers=2, replay=work)
    assert [result.state for result in second] == ['kept', 'done', 'kept', 'kept']
    assert [len(list(log.glob(f'{name}.*'))) for name in names[:4]] == [1, 2, 1, 1]
    assert all((out / folder / 'metrics.json').read_bytes() == text
               for folder, text in done.items())
    assert [path.name for path in out.glob('.*') if path.name.endswith(second[1].folder)] == []


@pytest.mark.slow
def test_the_command_says_what_became_of_each_bag(tmp_path, capfd):
    import_ray()
    good = make_bag(tmp_path / 'good', 0)
    arguments = ['--out', str(tmp_path / 'out'), '--threads', '1', '--metrics-every', '2']
    assert main(['fleet', str(good), str(tmp_path / 'missing'), *arguments]) == 1
    said = capfd.readouterr()
    assert re.search(r'\[\d/2\] \S+/good: no verdict, pairs fused: 4', said.out)
    assert f'{tmp_path}/missing: not replayed, pairs fused: 0: there is no bag' in said.err
    assert 'bags: 2, with a complaint: 1' in said.out
    assert main(['fleet', str(good), *arguments]) == 0
    assert 'good: no verdict (kept), pairs fused: 4' in capfd.readouterr().out


def result(name, outcome, n=3):
    if outcome == 'failed':
        return BagResult(f'/data/{name}', '', 'failed', 'there is no bag', 0, None)
    metrics = measured(frames=n, verdict='pass' if outcome == 'partial' else outcome,
                       status='partial' if outcome == 'partial' else 'complete')
    del metrics['frames']
    metrics['inputs']['bag']['name'] = name
    state = 'partial' if outcome == 'partial' else 'done'
    return BagResult(f'/data/{name}', f'{name}-01234567', state, '', n, metrics)


@pytest.mark.parametrize('outcomes, word, sentence', [
    (['pass', 'pass'], 'Pass', '2 bags: every check is met.'),
    (['pass'], 'Pass', '1 bag: every check is met.'),
    (['pass', 'fail', 'failed'], 'Fail', '3 bags: 1 not replayed, 1 fail, 1 pass.'),
    (['pass', 'partial'], 'Fail', '2 bags: 1 partial, 1 pass.'),
    (['pass', 'none'], 'No verdict', '2 bags: 1 no verdict, 1 pass.')])
def test_the_fleet_passes_only_if_every_bag_does(outcomes, word, sentence):
    said = verdict([result(f'bag{n}', outcome) for n, outcome in enumerate(outcomes)])
    assert (said['word'], said['sentence']) == (word, sentence)


def test_the_summary_lists_the_worst_first_and_links_relatively(tmp_path):
    evil = '"><script>alert(1)</script>'
    write_fleet_page(tmp_path / 'fleet.html', [
        result('good', 'pass'), result('bad', 'fail'), result('gone', 'failed'),
        result(evil, 'none')])
    text = (tmp_path / 'fleet.html').read_text()
    body = text[text.index('<tbody>'):text.index('</tbody>')]
    places = [body.index(f'data-value="{name}"') for name in ('gone', 'bad', 'good')]
    assert places == sorted(places)
    assert re.findall(r'href="([^"#]*)"', text) == [
        './bad-01234567/report.html',
        './%22%3E%3Cscript%3Ealert%281%29%3C/script%3E-01234567/report.html',
        './good-01234567/report.html']
    assert text.count('<script') == 1
    assert 'there is no bag' in body and 'VIF ↑' in text and 'MSE ↓' in text


def test_totals_weight_each_bag_by_its_frames(tmp_path):
    one, other = result('one', 'pass'), result('other', 'pass')
    for single, mean, n in ((one, 1.0, 1), (other, 2.0, 3)):
        for summary in single.metrics['summary'].values():
            summary.update(mean=mean, n=n)
    one.metrics['summary']['VIF']['mean'] = None
    write_fleet_page(tmp_path / 'fleet.html', [one, other])
    foot = re.search(r'<tfoot>(.*?)</tfoot>', (tmp_path / 'fleet.html').read_text(), re.DOTALL)[1]
    assert re.findall(r'<td class="num">([^<]*)</td>', foot)[2:4] == ['2', '1.75']
