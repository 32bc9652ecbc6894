from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.evaluation import fusion_metrics
from uaafusion_ros.evaluation.fusion_metrics import evaluate
from uaafusion_ros.evaluation.fusion_metrics import METRICS
from uaafusion_ros.evaluation.fusion_metrics import VARIANTS


def images(case, shape=(61, 74)):
    """Thermal, luma, fused: smooth scenes, noise, or dark with large flat areas."""
    rng = np.random.default_rng(['smooth', 'noise', 'flat'].index(case))
    thermal, luma = rng.integers(0, 256, (2, *shape)).astype(np.uint8)
    if case != 'noise':
        thermal, luma = cv2.GaussianBlur(thermal, (0, 0), 3), cv2.GaussianBlur(luma, (0, 0), 1)
    if case == 'flat':
        thermal[:, :50] = 7
        luma[:45] = 7
    fused = cv2.addWeighted(np.maximum(thermal, luma), 0.8, luma, 0.3, -10)
    return thermal, luma, fused


CASES = [images(case) for case in ('smooth', 'noise', 'flat')]
every_case = pytest.mark.parametrize('case', CASES, ids=['smooth', 'noise', 'flat'])


def value(name, case):
    return evaluate(*case, METRICS + VARIANTS)[name]


@every_case
def test_entropy(case):
    stats = pytest.importorskip('scipy.stats')
    measure = pytest.importorskip('skimage.measure')
    counts = np.histogram(case[2], 256, (0, 256))[0]
    assert value('EN', case) == pytest.approx(stats.entropy(counts, base=2))
    assert value('EN', case) == pytest.approx(measure.shannon_entropy(case[2]))


@every_case
def test_mutual_information(case):
    metrics = pytest.importorskip('sklearn.metrics')
    thermal, luma, fused = (image.ravel() for image in case)
    expected = (metrics.mutual_info_score(fused, thermal)
                + metrics.mutual_info_score(fused, luma))
    assert value('MI', case) == pytest.approx(expected)
    assert value('MI_log2', case) == pytest.approx(expected * 1.4426950408889634)


@every_case
def test_structural_similarity(case):
    metrics = pytest.importorskip('skimage.metrics')
    thermal, luma, fused = case

    def ssim(source, **options):
        return metrics.structural_similarity(fused, source, **options)

    assert value('SSIM_uint8_mean', case) == pytest.approx((ssim(thermal) + ssim(luma)) / 2)
    fused = fused.astype(float)
    assert value('SSIM', case) == pytest.approx(
        ssim(thermal.astype(float), data_range=2) + ssim(luma.astype(float), data_range=2))


@every_case
def test_visual_information_fidelity(case):
    sewar = pytest.importorskip('sewar.full_ref')
    thermal, luma, fused = case
    expected = sewar.vifp(thermal, fused) + sewar.vifp(luma, fused)
    assert value('VIF', case) == pytest.approx(expected)
    assert value('VIF_mean', case) == pytest.approx(expected / 2)


@every_case
def test_correlations(case):
    thermal, luma, fused = (image.astype(float).ravel() for image in case)

    def r(a, b):
        return np.corrcoef(a, b)[0, 1]

    assert value('CC', case) == pytest.approx((r(thermal, fused) + r(luma, fused)) / 2)
    assert value('SCD', case) == pytest.approx(
        r(thermal, fused - luma) + r(luma, fused - thermal))


@every_case
def test_errors_and_peak(case):
    metrics = pytest.importorskip('skimage.metrics')
    thermal, luma, fused = case
    mse = (metrics.mean_squared_error(thermal, fused)
           + metrics.mean_squared_error(luma, fused)) / 2
    assert value('MSE', case) == pytest.approx(mse)
    assert value('PSNR', case) == pytest.approx(
        20 * math.log10(int(fused.max()) / math.sqrt(mse)))


@every_case
def test_spread_and_gradients_pixel_by_pixel(case):
    fused = case[2].astype(int).tolist()
    height, width = len(fused), len(fused[0])
    pixels = [(y, x) for y in range(height) for x in range(width)]
    mean = sum(map(sum, fused)) / len(pixels)
    assert value('SD', case) == pytest.approx(
        math.sqrt(sum((fused[y][x] - mean) ** 2 for y, x in pixels) / len(pixels)))
    rows = sum((fused[y][x] - fused[y][x - 1]) ** 2 for y, x in pixels if x)
    columns = sum((fused[y][x] - fused[y - 1][x]) ** 2 for y, x in pixels if y)
    assert value('SF', case) == pytest.approx(math.sqrt(
        rows / (height * (width - 1)) + columns / ((height - 1) * width)))

    def slope(line, k):
        low, high = max(k - 1, 0), min(k + 1, len(line) - 1)
        return (line[high] - line[low]) / (high - low)

    transposed = list(zip(*fused))
    total = sum(math.sqrt((slope(fused[y], x) ** 2 + slope(transposed[x], y) ** 2) / 2)
                for y, x in pixels)
    assert value('AG', case) == pytest.approx(total / len(pixels))


def qabf_pixel_by_pixel(thermal, luma, fused):
    """Gradient strength and angle of every pixel, from the published formula."""
    height, width = fused.shape

    def edges(image):
        padded = [[0] * (width + 2)]
        padded += [[0, *row, 0] for row in image.astype(int).tolist()] + padded
        found = {}
        for y in range(1, height + 1):
            above, here, below = padded[y - 1], padded[y], padded[y + 1]
            for x in range(1, width + 1):
                # A true convolution turns the masks [-1 0 1; -2 0 2; -1 0 1] and
                # [1 2 1; 0 0 0; -1 -2 -1] by 180 degrees.
                sx = (above[x - 1] + 2 * here[x - 1] + below[x - 1]
                      - above[x + 1] - 2 * here[x + 1] - below[x + 1])
                sy = (below[x - 1] + 2 * below[x] + below[x + 1]
                      - above[x - 1] - 2 * above[x] - above[x + 1])
                angle = math.atan(sy / sx) if sx else math.pi / 2
                found[y, x] = math.hypot(sx, sy), angle
        return found

    edges_f = edges(fused)
    nominator = denominator = 0.0
    for source in (thermal, luma):
        for pixel, (g, a) in edges(source).items():
            g_f, a_f = edges_f[pixel]
            ratio = g_f if g == g_f else min(g, g_f) / max(g, g_f)
            alignment = 1 - abs(a - a_f) / (math.pi / 2)
            q_g = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
            q_a = 0.9879 / (1 + math.exp(-22 * (alignment - 0.8)))
            nominator += q_g * q_a * g
            denominator += g
    return nominator / denominator


@every_case
def test_edge_preservation(case):
    assert value('Qabf', case) == pytest.approx(qabf_pixel_by_pixel(*case))


def test_a_perfect_copy_of_equal_sources():
    image = CASES[0][1]
    result = evaluate(image, image, image, METRICS + VARIANTS)
    for name, expected in {
        'VIF': 2, 'VIF_mean': 1, 'SSIM': 2, 'SSIM_uint8_mean': 1, 'CC': 1, 'MSE': 0,
        'PSNR': math.inf, 'MI_log2': 2 * result['EN'],
    }.items():
        assert result[name] == pytest.approx(expected), name
    assert result['Qabf'] == pytest.approx(0.9994 / (1 + math.exp(-7.5)) * 0.9879
                                           / (1 + math.exp(-4.4)), rel=1e-3)
    assert math.isnan(result['SCD'])


def test_a_uniform_image_has_no_correlation_and_no_warning():
    grey = np.full((50, 50), 9, np.uint8)
    result = evaluate(grey, grey, grey)
    undefined = {name for name, number in result.items() if math.isnan(number)}
    assert undefined == {'SCD', 'CC'}
    assert result['EN'] == result['MI'] == result['SD'] == 0
    assert result['VIF'] == result['SSIM'] == 2
    assert evaluate(grey, grey, grey * 0)['PSNR'] == -math.inf
    assert math.isnan(evaluate(grey * 0, grey * 0, grey)['Qabf'])


@every_case
def test_values_lie_in_the_stated_ranges(case):
    for metric in METRICS + VARIANTS:
        assert metric.low <= value(metric.name, case) <= metric.high, metric.name


def test_the_table_names_every_metric_once_and_its_direction():
    names = [metric.name for metric in METRICS + VARIANTS]
    assert len(names) == len(set(names))
    assert list(evaluate(*CASES[0])) == [metric.name for metric in METRICS]
    assert [metric.name for metric in METRICS if not metric.higher_is_better] == ['MSE']
    assert {type(number) for number in evaluate(*CASES[0], METRICS + VARIANTS).values()} == {float}


# First computed by this code, after it had agreed with the references above.
GOLDEN = {
    'EN': 6.573557262275186, 'SD': 52.911876423603296, 'SF': 30.938511427696422,
    'AG': 9.261619257476282, 'MI': 4.32539362240875, 'SCD': 1.410575651625897,
    'VIF': 0.44127453055807153, 'Qabf': 0.35462614338771514, 'SSIM': 0.8050103702544976,
    'CC': 0.7052878258129485, 'PSNR': 12.29651564726899, 'MSE': 2800.6666666666665,
}


def test_the_document_explains_every_metric():
    text = (Path(__file__).parents[2] / 'docs' / 'metrics.md').read_text(encoding='utf-8')
    rows = {line.split('|')[1].strip() for line in text.splitlines() if line.startswith('|')}
    assert {metric.name for metric in METRICS + VARIANTS} <= rows


def test_golden_values():
    ramp = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (48, 1))
    bars = np.where(np.arange(48) // 6 % 2, 200, 40).astype(np.uint8)[:, None].repeat(60, 1)
    result = evaluate(ramp, bars, (ramp // 2 + bars // 2))
    assert result == pytest.approx(GOLDEN, rel=1e-9)


@pytest.mark.parametrize(('change', 'error', 'text'), [
    (lambda image: image.astype(np.float32), EncodingError, 'fused is float32'),
    (lambda image: image[..., None], EncodingError, r'fused is uint8 \(61, 74, 1\)'),
    (lambda image: image[:40], EncodingError, '41 x 41'),
    (lambda image: image[:50], RegistrationError, r'fused \(50, 74\)'),
])
def test_bad_input_is_named(change, error, text):
    thermal, luma, fused = CASES[0]
    with pytest.raises(error, match=text):
        evaluate(thermal, luma, change(fused))


def test_the_smallest_size_is_the_smallest_that_works():
    size = fusion_metrics.SMALLEST
    case = images('smooth', (size, size))
    assert all(math.isfinite(number) for number in evaluate(*case).values())
