"""The summary of a fleet in a real browser: sorting, links, narrow and wide."""

from __future__ import annotations

from browser import chromium
from browser import console
from browser import requests
from browser import show
import pytest
from report_case import measured

from uaafusion_ros.evaluation.page import BagResult
from uaafusion_ros.evaluation.page import write_fleet_page

pytestmark = pytest.mark.slow

MEANS = {'bag10': 0.5, 'bag9': 0.45, 'bag2': -1e-05, 'other': None}


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    driver = chromium(tmp_path_factory.mktemp('chromium'))
    yield driver
    driver.quit()


@pytest.fixture
def page(tmp_path):
    results = [BagResult('/data/gone', '', 'failed', 'there is no bag /data/gone', 0, None)]
    for name, mean in MEANS.items():
        metrics = measured(frames=3, verdict='fail' if name == 'bag9' else 'pass')
        metrics['inputs']['bag']['name'] = name
        metrics['summary']['VIF']['mean'] = mean
        results.append(BagResult(f'/data/{name}', f'{name} #1', 'done', '', 3, metrics))
        (tmp_path / f'{name} #1').mkdir()
        (tmp_path / f'{name} #1' / 'report.html').write_text(f'<title>{name}</title>')
    write_fleet_page(tmp_path / 'fleet.html', results)
    return tmp_path / 'fleet.html'


def names(browser):
    return [row.text.split('\n')[0] for row in browser.find_elements(
        'css selector', '#bags tbody th')]


def choose(browser, heading):
    browser.find_element(
        'xpath', f'//table[@id="bags"]//button[normalize-space()="{heading}"]').click()


def test_a_heading_sorts_by_its_column_and_back(browser, page):
    show(browser, page)
    assert names(browser) == ['gone', 'bag9', 'bag10', 'bag2', 'other']  # worst first
    choose(browser, 'VIF ↑')
    assert names(browser) == ['bag2', 'bag9', 'bag10', 'gone', 'other']
    choose(browser, 'VIF ↑')
    assert names(browser) == ['bag10', 'bag9', 'bag2', 'gone', 'other']  # unknown ones stay last
    choose(browser, 'Bag')
    assert names(browser) == ['bag2', 'bag9', 'bag10', 'gone', 'other']
    sorted_by = browser.find_elements('css selector', '#bags [aria-sort]')
    assert [(th.text, th.get_attribute('aria-sort')) for th in sorted_by] == [
        ('Bag', 'ascending')]
    assert console(browser) == [] and requests(browser) == [page.as_uri()]


def test_a_bag_leads_to_its_report(browser, page):
    show(browser, page)
    browser.find_element('link text', 'bag9').click()
    assert browser.title == 'bag9'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1280])
def test_only_the_table_scrolls_sideways(browser, page, width, scheme):
    show(browser, page, width=width, scheme=scheme)
    assert browser.execute_script('return document.documentElement.scrollWidth') <= width
    assert browser.find_element('css selector', 'h1').text == 'Fail'
    assert console(browser) == []
