"""Which topic is which camera is clear, or it is asked for by name."""

from __future__ import annotations

import pytest

from uaafusion_ros.errors import BagError
from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import COMPRESSED_IMAGE
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import Topic
from uaafusion_ros.evaluation.topics import choose


def bag(*names, type_name=IMAGE, count=3):
    return [Topic(name, COMPRESSED_IMAGE if name.endswith('/compressed') else type_name, False,
                  count) for name in names]


def chosen(topics, **asked):
    choice = choose(topics, asked)
    return choice.thermal, choice.rgb, choice.label


@pytest.mark.parametrize('names, expected', [
    (['/thermal/image_raw', '/rgb/image_raw'], ('/thermal/image_raw', '/rgb/image_raw', None)),
    (['/boson640/image', '/camera/color/image'], ('/boson640/image', '/camera/color/image', None)),
    (['/LWIR_raw', '/front/image_raw'], ('/LWIR_raw', '/front/image_raw', None)),
    (['/ir', '/vis', '/label/image_raw'], ('/ir', '/vis', '/label/image_raw')),
    (['/flir/thermal', '/flir/rgb'], ('/flir/thermal', '/flir/rgb', None)),
    (['/thermal/i', '/rgb/i', '/fused/image', '/segmentation/mask', '/segmentation/overlay'],
     ('/thermal/i', '/rgb/i', None)),
    (['/ir/i', '/ir/i/compressed', '/rgb/i/compressed'], ('/ir/i', '/rgb/i/compressed', None)),
])
def test_names_and_what_is_left_decide(names, expected):
    assert chosen(bag(*names)) == expected


@pytest.mark.parametrize('names, option, candidates', [
    (['/a/thermal', '/b/thermal', '/rgb'], '--thermal-topic', ['/a/thermal', '/b/thermal']),
    (['/thermal', '/left/rgb', '/right/rgb'], '--rgb-topic', ['/left/rgb', '/right/rgb']),
    (['/thermal', '/rgb', '/label/a', '/label/b'], '--label-topic', ['/label/a', '/label/b']),
    (['/cam0', '/cam1'], '--thermal-topic', ['/cam0', '/cam1']),
    (['/thermal', '/cam0', '/cam1'], '--rgb-topic', ['/cam0', '/cam1']),
    (['/rgb'], '--thermal-topic', ['/rgb']),
])
def test_what_is_not_clear_names_candidates_and_option(names, option, candidates):
    with pytest.raises(BagError) as caught:
        choose(bag(*names), {})
    assert option in str(caught.value)
    assert all(name in str(caught.value) for name in candidates)


def test_what_was_asked_for_wins():
    topics = bag('/cam0', '/cam1', '/thermal')
    assert chosen(topics, thermal='/cam1', rgb='/cam0') == ('/cam1', '/cam0', None)
    assert chosen(topics, rgb='/cam0', label='/cam1') == ('/thermal', '/cam0', '/cam1')
    assert choose(topics, {'rgb': '/cam0'}).lines() == [
        'thermal: /thermal (its name says so)', 'rgb: /cam0 (asked for by --rgb-topic)']


def test_a_wrong_wish_names_the_topics_that_are_there():
    with pytest.raises(BagError, match='--rgb-topic /x is no image topic.*/rgb, /thermal'):
        choose(bag('/thermal', '/rgb'), {'rgb': '/x'})
    with pytest.raises(BagError, match='thermal and rgb at once'):
        choose(bag('/thermal', '/rgb'), {'rgb': '/rgb', 'thermal': '/rgb'})


def test_a_topic_without_messages_is_no_camera():
    assert chosen(bag('/thermal', '/rgb') + bag('/other/rgb', count=0))[1] == '/rgb'


def test_a_bag_without_images_names_its_topics():
    with pytest.raises(BagError, match='no image .*/imu, /tf'):
        choose(bag('/tf', '/imu', type_name='sensor_msgs/msg/Imu'), {})


def test_calibrations_lie_beside_their_images():
    infos = bag('/a/rgb/camera_info', '/ir/camera_info', '/x/camera_info', type_name=CAMERA_INFO)
    choice = choose(bag('/a/rgb/image_raw/compressed', '/ir/image_raw') + infos, {})
    assert choice.info == {'rgb': '/a/rgb/camera_info', 'thermal': '/ir/camera_info'}
