"""The SROS2 policy allows what the node does, and nothing else."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.context import Context  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from uaafusion_ros.harness.domains import own_domain  # noqa: E402
from uaafusion_ros.nodes import latched  # noqa: E402
from uaafusion_ros.nodes.fusion_node import FusionNode  # noqa: E402

pytestmark = pytest.mark.ros
POLICY = Path(__file__).resolve().parents[2] / 'config/sros2_policy.xml'
KINDS = {'subscriber': ('topics', 'subscribe'), 'publisher': ('topics', 'publish'),
         'service': ('services', 'reply'), 'client': ('services', 'request')}


def allowed(profile: ElementTree.Element, group: str, right: str) -> set[str]:
    """Return what a profile of node fusion_node in the root namespace allows, as full names."""
    names = [item.text for entry in profile.findall(group) if entry.get(right) == 'ALLOW'
             for item in entry]
    assert len(names) == len(set(names))
    return {name.replace('~', '/fusion_node') if name[0] in '~/' else f'/{name}'
            for name in names}


@pytest.fixture
def live():
    """Return what active nodes of both transports publish, hear, serve and ask together."""
    found = {kind: set() for kind in KINDS}
    for transport in ('raw', 'compressed'):
        with own_domain() as domain:  # so that the first is not in the second one's graph
            context = Context()
            rclpy.init(context=context, domain_id=domain)
            node = FusionNode(context=context, parameter_overrides=[
                Parameter('use_sim_time', value=True),
                Parameter('engine.backend', value='onnxruntime'),
                *(Parameter(f'input.{camera}_transport', value=transport)
                  for camera in ('rgb', 'thermal'))])
            node.start()
            for kind in KINDS:
                found[kind] |= {name for name, _ in getattr(
                    node, f'get_{kind}_names_and_types_by_node')('fusion_node', '/')}
            assert node.close(5.0)
            node.destroy_node()
            context.try_shutdown()
    return found


def test_the_policy_is_what_the_node_does(live):
    """Also topics that need a package which may be missing."""
    root = ElementTree.parse(POLICY).getroot()
    profile, = root.iter('profile')
    assert (root.get('version'), profile.get('ns'), profile.get('node')) == (
        '0.2.0', '/', 'fusion_node')
    if latched.LabelInfo is None:
        live['publisher'] |= {'/segmentation/label_info', '/segmentation/detections'}
    live['subscriber'].add('/tf_static')
    for kind, (group, right) in KINDS.items():
        assert allowed(profile, group, right) == live[kind], kind
