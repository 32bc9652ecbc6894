"""The cameras of a bag are told by names and by what they show; contradictions are said."""

import cv2
import numpy as np
import pytest
from toy_bags import still

from uaafusion_ros.errors import BagError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.cameras import choose_cameras

COLOUR = cv2.applyColorMap(still(0, 'rgb'), cv2.COLORMAP_JET)
GRAY = np.dstack([still(0, 'thermal')] * 3)
COUNTS = 7000 + still(0, 'thermal').astype(np.uint16) * 9 + 1
IMAGES = {'colour': (COLOUR, 'bgr8'), 'gray thrice': (GRAY, 'rgb8'), '16 bits': (COUNTS, 'mono16'),
          'float': (COUNTS.astype(np.float32), '32FC1'), '8 bits': (still(0, 'thermal'), 'mono8')}


@pytest.fixture
def opened(tmp_path):
    def make(**topics):
        with BagWriter(tmp_path / 'drive') as bag:
            for number in range(3):
                for name, image in topics.items():
                    bag.add_image('/' + name.replace('__', '/'), *IMAGES[image], 10**18 + number,
                                  name)
        return BagSource(tmp_path / 'drive')
    return make


@pytest.mark.parametrize('topics, thermal, rgb', [
    ({'flir_camera__image_raw': 'colour', 'seekthermal__image': '16 bits'}, 'seekthermal/image',
     'flir_camera/image_raw'),
    ({'flir__image_raw': 'colour', 'cam1__image_raw': '16 bits'}, 'cam1/image_raw',
     'flir/image_raw'),
    ({'cam0': '16 bits', 'cam1': 'colour'}, 'cam0', 'cam1'),
    ({'cam0': 'float', 'cam1': 'colour'}, 'cam0', 'cam1'),
    ({'cam0': '16 bits', 'cam1': 'gray thrice'}, 'cam0', 'cam1'),
    ({'front__image': 'colour', 'depth__image': '16 bits', 'flir__image': '8 bits',
      'ir__image': '16 bits'}, 'ir/image', 'front/image'),
    ({'thermal': 'gray thrice', 'rgb': '8 bits'}, 'thermal', 'rgb'),
])
def test_images_decide_where_names_do_not(opened, topics, thermal, rgb):
    choice = choose_cameras(opened(**topics), {}).choice
    assert (choice.thermal, choice.rgb) == (f'/{thermal}', f'/{rgb}')


@pytest.mark.parametrize('topics', [
    {'flir__image': '8 bits', 'cam__image': '8 bits'},
    {'depth__image': '16 bits', 'cam__image': 'gray thrice', 'other__image': '8 bits'}])
def test_what_stays_unclear_is_asked_for(opened, topics):
    with pytest.raises(BagError, match='--(thermal|rgb)-topic'):
        choose_cameras(opened(**topics), {})


@pytest.mark.parametrize('thermal, rgb, said', [
    ('colour', '16 bits', 'exchanged: give --thermal-topic /rgb --rgb-topic /thermal'),
    ('colour', 'colour', '/thermal is coloured'),
    ('16 bits', 'float', '/rgb has one channel of 16 bits'),
])
def test_exchanged_roles_are_refused_and_can_be_forced(opened, thermal, rgb, said):
    source = opened(thermal=thermal, rgb=rgb)
    for asked in ({}, {'thermal': '/thermal', 'rgb': '/rgb'}):
        with pytest.raises(BagError, match=said) as caught:
            choose_cameras(source, asked)
        assert '--force-roles' in str(caught.value)
        choice = choose_cameras(source, asked, force_roles=True).choice
        assert (choice.thermal, choice.rgb) == ('/thermal', '/rgb')


def test_all_transports_at_once_are_one_camera(tmp_path):
    data = cv2.imencode('.png', COUNTS)[1].tobytes()
    with BagWriter(tmp_path / 'drive') as bag:
        for topic in ('/thermal/image', '/rgb/image'):
            bag.add_image(topic, *IMAGES['16 bits' if 'thermal' in topic else 'colour'], 1, 'a')
            bag.add_compressed(f'{topic}/compressed', data, 'mono16; png compressed ', 1, 'a')
            bag.add_compressed(f'{topic}/compressedDepth', data, '16UC1; compressedDepth', 1, 'a')
    choice = choose_cameras(BagSource(tmp_path / 'drive'), {}).choice
    assert (choice.thermal, choice.rgb) == ('/thermal/image', '/rgb/image')


@pytest.mark.parametrize('array, form, said', [
    ((COUNTS // 257).astype(np.uint8), 'mono16; jpeg compressed mono8', '8-bit JPEG'),
    (COUNTS.byteswap(), '', 'high and low bytes'),
    (COUNTS // 40, '', 'holds 8 bits'),
])
def test_thermal_that_is_not_thermal_is_named(tmp_path, array, form, said):
    with BagWriter(tmp_path / 'drive') as bag:
        bag.add_image('/rgb', COLOUR, 'bgr8', 1, 'a')
        if form:
            bag.add_compressed('/thermal', cv2.imencode('.jpg', array)[1].tobytes(), form, 1, 'a')
        else:
            bag.add_image('/thermal', array, 'mono16', 1, 'a')
    finding, = choose_cameras(BagSource(tmp_path / 'drive'), {}).findings
    assert finding.startswith('/thermal: ') and said in finding
