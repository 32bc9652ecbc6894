"""A real Chromium without a window, for the tests of the pages."""

from __future__ import annotations

import json
import shutil
import time

import pytest

# Root needs the first; the others keep the browser from calling its maker.
FLAGS = (
    '--no-sandbox', '--headless=new', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-dev-shm-usage', '--window-size=1280,900')


def chromium(folder):
    """Start Chromium with its files in `folder`; skips the test where it is not installed."""
    webdriver = pytest.importorskip('selenium.webdriver')
    browser = shutil.which('chromium') or shutil.which('google-chrome')
    driver = shutil.which('chromedriver')
    if not browser or not driver:
        pytest.skip('Chromium or its driver is not installed (Debian: chromium chromium-driver)')
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f'--user-data-dir={folder}'):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def show(browser, page, width=1280, height=900, scheme='light'):
    """Open a file at a window size and colour scheme."""
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
        'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 500})
    browser.execute_cdp_cmd('Emulation.setEmulatedMedia', {
        'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
    for kind in ('browser', 'performance'):
        browser.get_log(kind)  # empties it
    browser.get(page.as_uri())


def console(browser):
    """Return what the page complained about since it was opened."""
    return [entry['message'] for entry in browser.get_log('browser')]


def requests(browser):
    """
    Return the addresses that the page asked for since it was opened, less its own data.

    The browser draws its window from files of its own, chrome://, when it likes.
    """
    events = [json.loads(entry['message'])['message'] for entry in browser.get_log('performance')]
    return [
        event['params']['request']['url'] for event in events
        if event['method'] == 'Network.requestWillBeSent'
        and not event['params']['request']['url'].startswith(('data:', 'chrome:'))]


def until(condition, seconds=10.0):
    """Wait for a condition; fails with its last value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, value
        time.sleep(0.05)
    return value
