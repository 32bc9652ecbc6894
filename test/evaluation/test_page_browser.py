"""The report in a real browser: what a person can see and do with it."""

from __future__ import annotations

import re
import socket

from browser import chromium
from browser import console
from browser import requests
from browser import show
from browser import until
import pytest
from report_case import measured
from report_case import samples
from report_case import timed

from uaafusion_ros.evaluation.page import write_page

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    driver = chromium(tmp_path_factory.mktemp('chromium'))
    yield driver
    driver.quit()


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp('page') / 'report.html'
    write_page(path, measured(), timed(), samples(measured()))
    return path


@pytest.fixture
def shown(browser, page):
    """The report at 1280 pixels; afterwards, it must not have complained or asked for anything."""
    show(browser, page)
    yield browser
    assert console(browser) == []
    assert requests(browser) == [page.as_uri()]
    assert browser.execute_script('return performance.getEntriesByType("resource")'
                                  '.filter((e) => !e.name.startsWith("data:")).length') == 0


def find(browser, selector):
    return browser.find_element('css selector', selector)


def find_all(browser, selector):
    return browser.find_elements('css selector', selector)


def clip(browser):
    """Percent of the picture that shows the left layer, as the browser computes it."""
    style = browser.execute_script(
        'return getComputedStyle(document.getElementById("left-image")).clipPath')
    return 100.0 - float(re.fullmatch(r'inset\(0px ([\d.]+)(?:%|px) 0px 0px\)', style)[1])


def press(browser, *keys):
    from selenium.webdriver import ActionChains
    ActionChains(browser).send_keys(*keys).perform()


def focus(browser, selector):
    browser.execute_script('document.querySelector(arguments[0]).focus()', selector)


def status(browser):
    return find(browser, '#frame-status').text


def test_the_verdict_is_seen_first(shown):
    assert find(shown, 'h1').text == 'Fail'
    assert find(shown, 'h1').rect['y'] < 200
    assert len(find_all(shown, '.checks tbody tr')) == 4
    assert [m.text for m in find_all(shown, '.checks .mark')] == [
        '✓ met', '✓ met', '✗ not met', '✗ not met']


def test_the_slider_moves_the_border_between_the_layers(shown):
    from selenium.webdriver.common.keys import Keys
    assert clip(shown) == 50
    focus(shown, '#wipe')
    press(shown, Keys.HOME)
    assert clip(shown) == 0
    press(shown, Keys.END)
    assert clip(shown) == 100
    assert find(shown, '#wipe').get_attribute('aria-valuetext') == '100 % Thermal, 0 % Fused'


def test_dragging_over_the_picture_moves_the_border(shown):
    from selenium.webdriver import ActionChains
    stage = find(shown, '#stage')
    shown.execute_script('arguments[0].scrollIntoView()', stage)
    width = stage.rect['width']
    ActionChains(shown).move_to_element(stage).click_and_hold() \
        .move_by_offset(int(width / 4), 0).release().perform()
    assert abs(clip(shown) - 75) <= 1
    ActionChains(shown).move_by_offset(-int(width / 2), 0).perform()  # let go: nothing follows
    assert abs(clip(shown) - 75) <= 1


def test_choosing_a_frame_changes_both_pictures(shown):
    assert 'Frame 30' in status(shown) and 'worst no. 1' in status(shown)
    sources = lambda: [find(shown, f'#{side}-image').get_attribute('src')  # noqa: E731
                       for side in ('left', 'right')]
    before = sources()
    find(shown, '.strip button[data-index="20"]').click()
    assert 'Frame 20 at 2 s, mode fused' in status(shown)
    assert all(a != b for a, b in zip(before, sources()))
    until(lambda: shown.execute_script(
        'return ["left", "right"].every((s) => '
        'document.getElementById(`${s}-image`).naturalWidth > 100)'))
    assert [b.get_attribute('data-index') for b in find_all(
        shown, '.strip button[aria-current="true"]')] == ['20']
    assert find(shown, '#frame-values tbody tr td').text == '0.6181'


def test_every_layer_can_be_put_on_either_side(shown):
    seen = set()
    for side in ('left', 'right'):
        for layer in ('thermal', 'rgb', 'fused', 'overlay'):
            button = find(shown, f'[data-side={side}][data-layer={layer}]')
            button.click()
            assert button.get_attribute('aria-pressed') == 'true'
            assert len(find_all(shown, f'[data-side={side}][aria-pressed=true]')) == 1
            image = find(shown, f'#{side}-image')
            assert find(shown, f'#{side}-tag').text == button.text
            assert image.get_attribute('alt') == f'{button.text} image of frame 30'
            seen.add(image.get_attribute('src'))
    assert len(seen) == 4


def test_everything_works_by_keyboard(shown):
    from selenium.webdriver.common.keys import Keys
    focus(shown, '#viewer')
    press(shown, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert clip(shown) == 54
    press(shown, Keys.ARROW_LEFT)
    assert clip(shown) == 52
    press(shown, ']')
    assert 'Frame 31' in status(shown)
    press(shown, Keys.ARROW_DOWN)
    assert 'Frame 40' in status(shown)
    press(shown, '[', Keys.ARROW_UP)
    assert 'Frame 30' in status(shown)
    for n, name in enumerate(('Thermal', 'RGB', 'Fused', 'Overlay'), start=1):
        press(shown, str(n))
        assert find(shown, '#left-tag').text == name
    shown.execute_script(
        'document.getElementById("viewer").dispatchEvent(new KeyboardEvent("keydown",'
        '{key: "!", code: "Digit1", shiftKey: true, bubbles: true}))')
    assert (find(shown, '#left-tag').text, find(shown, '#right-tag').text) == (
        'Overlay', 'Thermal')
    outline = shown.execute_script(
        'return getComputedStyle(document.getElementById("viewer")).outlineStyle')
    assert outline == 'solid'


def test_the_page_can_be_walked_through_by_tabulator(shown):
    from selenium.webdriver.common.keys import Keys
    reached = []
    for _ in range(40):
        press(shown, Keys.TAB)
        reached.append(shown.execute_script(
            'const e = document.activeElement; return e.id || e.dataset.layer || e.textContent'))
    for name in ('theme', 'series', 'viewer', 'wipe', 'overlay', 'next'):
        assert name in reached
    assert reached[0] == 'Skip to the verdict'


def points(browser):
    return len(re.findall('[ML]', find(browser, '#plot .curve').get_attribute('d')))


def test_the_plots_show_every_frame_with_a_value(shown):
    from selenium.webdriver.support.ui import Select
    choice = Select(find(shown, '#series'))
    names = ['VIF', 'Qabf', 'SSIM', 'MSE', 'flicker', 'skew_ms']
    assert [option.text for option in choice.options] == names
    assert choice.first_selected_option.text == 'Qabf'  # the first that failed its check
    for name in names:
        choice.select_by_visible_text(name)
        assert points(shown) == (59 if name == 'VIF' else 60)  # frame 7 has no VIF
        assert len(find_all(shown, '#plot .sample')) == 8
    choice.select_by_visible_text('VIF')
    curve = find(shown, '#plot .curve').get_attribute('d')
    assert curve.count('M') == 2  # interrupted at the frame without a value
    assert len(find_all(shown, '#plot path.bound')) == 1
    assert [rect.get_attribute('class') for rect in find_all(shown, '#plot rect')] == [
        'mode-0', 'mode-1', 'mode-0']


def test_a_click_on_the_plot_goes_to_the_nearest_sampled_frame(shown):
    from selenium.webdriver import ActionChains
    plot = find(shown, '#plot')
    shown.execute_script('arguments[0].scrollIntoView()', plot)
    ActionChains(shown).move_to_element_with_offset(
        plot, int(plot.rect['width'] * 0.14), 0).perform()
    assert find(shown, '#readout').text.startswith('Frame ')
    ActionChains(shown).click().perform()
    assert 'Frame 40 ' in status(shown)
    assert len(find_all(shown, '#plot .chosen')) == 1


def test_measures_of_every_fifth_frame_make_one_curve(browser, tmp_path):
    metrics = measured()
    for frame in metrics['frames']:
        if frame['index'] % 5:
            del frame['metrics']['Qabf']
    write_page(tmp_path / 'sparse.html', metrics, timed(), samples(metrics))
    show(browser, tmp_path / 'sparse.html')
    assert points(browser) == 12
    assert find(browser, '#plot .curve').get_attribute('d').count('M') == 1
    assert len(find_all(browser, '#plot .sample')) == 8  # those without a value on the axis
    find(browser, '.strip button[data-index="31"]').click()
    cells = {row.text.split()[0]: row.text.split()[1] for row in find_all(
        browser, '#frame-values tbody tr')}
    assert cells['Qabf'] == 'n/a' and cells['SSIM'] == '0.869'
    assert console(browser) == []


@pytest.mark.parametrize('width', [390, 768, 1280, 1920])
def test_the_page_never_scrolls_sideways(browser, page, width):
    show(browser, page, width=width)
    assert browser.execute_script('return document.documentElement.scrollWidth') <= width
    assert find(browser, '#stage').rect['width'] > 300


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_texts_stand_out_in_light_and_dark(browser, page, scheme):
    """Contrast of 4.5 : 1 (WCAG 2.1, 1.4.3) for the texts of every colour that is used."""
    show(browser, page, scheme=scheme)
    for selector in ('h1', '.verdict p', '.about', '.mark.pass', '.mark.fail', 'thead th', 'small',
                     '.facts dt', 'button[aria-pressed=true]', 'button[aria-pressed=false]',
                     'summary', 'code'):
        ratio = browser.execute_script(CONTRAST, selector)
        assert ratio >= 4.5, (selector, ratio)


# Luminance by WCAG 2.1; the background is that of the nearest ancestor that has one.
CONTRAST = '''
const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
const luminance = (colour) => {
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const element = document.querySelector(arguments[0]);
let behind = element;
while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') {
  behind = behind.parentElement;
}
const [a, b] = [luminance(getComputedStyle(element).color),
                luminance(getComputedStyle(behind).backgroundColor)].sort((p, q) => q - p);
return (a + 0.05) / (b + 0.05);
'''


def test_the_switch_turns_light_to_dark_and_back(shown):
    colour = lambda: shown.execute_script(  # noqa: E731
        'return getComputedStyle(document.body).backgroundColor')
    light = colour()
    find(shown, '#theme').click()
    assert colour() != light and find(shown, '#theme').text == 'Light'
    find(shown, '#theme').click()
    assert colour() == light


def test_everything_has_a_name_for_screen_readers(shown):
    """Names as the browser computes them for assistive software."""
    tree = shown.execute_cdp_cmd('Accessibility.getFullAXTree', {})['nodes']
    wanted = {'button', 'slider', 'combobox', 'image', 'region', 'link'}
    nameless = [
        node['role']['value'] for node in tree if not node.get('ignored')
        and node['role']['value'] in wanted and not node.get('name', {}).get('value')]
    assert nameless == []
    assert find_all(shown, '[role=group]:not([aria-label])') == []


def test_long_runs_are_drawn_by_their_extremes(browser, tmp_path):
    metrics = measured(frames=20_000)
    for frame in metrics['frames']:
        frame['metrics']['Qabf'] = 0.1 if frame['index'] == 12_345 else 0.5
    write_page(tmp_path / 'long.html', metrics, timed(), [])
    show(browser, tmp_path / 'long.html')
    assert 1000 < points(browser) < 4000
    heights = [float(y) for y in re.findall(
        r'[ML][\d.]+ ([\d.]+)', find(browser, '#plot .curve').get_attribute('d'))]
    assert heights.count(max(heights)) == 1 and max(heights) - min(heights) > 100
    assert console(browser) == []


def test_texts_from_the_bag_do_not_act(browser, tmp_path):
    evil = '</script><script>window.hit=1</script><img src=x onerror="window.hit=1">'
    metrics = measured(status='partial')
    metrics['inputs']['bag']['name'] = evil
    metrics['problems'] = [evil]
    for frame in metrics['frames']:
        frame['mode'] = evil
        frame['metrics'] = {evil: frame['metrics']['Qabf']}
    metrics['summary'] = {evil: metrics['summary']['Qabf']}
    write_page(tmp_path / 'evil.html', metrics, timed(), samples(metrics))
    show(browser, tmp_path / 'evil.html')
    assert find(browser, '.name span').text == evil
    assert find(browser, '#series option').text == evil
    assert evil in find(browser, '#plot-key').text
    assert find_all(browser, 'img[src=x]') == []
    assert browser.execute_script('return window.hit') is None
    assert console(browser) == []


def test_nothing_can_be_sent_out_even_by_a_script(browser, page):
    """The policy refuses what an injected script would try: a listening server hears nothing."""
    show(browser, page)
    with socket.create_server(('127.0.0.1', 0)) as server:
        server.settimeout(0.2)
        refused = browser.execute_async_script('''
            const address = arguments[0], done = arguments[1], refused = [];
            addEventListener('securitypolicyviolation', (e) => refused.push(e.effectiveDirective));
            fetch(address).catch(() => {});
            new Image().src = address;
            document.body.append(
              Object.assign(document.createElement('script'), {text: 'window.hit = 1'}));
            setTimeout(() => done(refused), 300);''',
            f'http://127.0.0.1:{server.getsockname()[1]}/')
        assert sorted(refused) == ['connect-src', 'img-src', 'script-src-elem']
        with pytest.raises(TimeoutError):
            server.accept()
    assert browser.execute_script('return window.hit') is None


def test_a_bag_without_pairs_is_shown_without_plots(browser, tmp_path):
    metrics = measured(status='partial')
    metrics.update(frames=[], summary={}, modes={}, segmentation=None, checks=[], counts={},
                   samples={'worst': [], 'best': [], 'spaced': []})
    write_page(tmp_path / 'empty.html', metrics, timed(), [])
    show(browser, tmp_path / 'empty.html')
    assert find(browser, '.partial h2').is_displayed()
    assert not find(browser, '#plots').is_displayed() and find_all(browser, '#frames') == []
    assert console(browser) == []
