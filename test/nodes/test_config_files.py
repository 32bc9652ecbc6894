"""The launch files and the view and transport configurations agree with the node."""

from __future__ import annotations

import ast
import json
from pathlib import Path
import py_compile
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
VIEWED = {'thermal/image_raw', 'rgb/image_raw', 'fused/image', 'segmentation/overlay'}
LAUNCH = ROOT / 'launch/fusion.launch.py'
MULTI = ROOT / 'launch/multi_fusion.launch.py'


def _calls(tree: ast.AST, name: str) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name) and node.func.id == name]


@pytest.mark.parametrize('file, least', [
    (LAUNCH, {'namespace', 'thermal_topic', 'rgb_topic', 'params_file', 'backend', 'build_only',
              'rviz', 'use_sim_time', 'log_level'}),
    (MULTI, {'cameras', 'backend', 'use_sim_time', 'log_level'})])
def test_every_launch_argument_is_declared_described_and_used(file, least, tmp_path):
    """The table of arguments holds a sentence for each, and no configuration is undeclared."""
    py_compile.compile(str(file), cfile=str(tmp_path / 'launch.pyc'), doraise=True)
    tree = ast.parse(file.read_text())
    table = next(node.value for node in tree.body if isinstance(node, ast.Assign)
                 and node.targets[0].id == 'ARGUMENTS')
    described = {key.value: value.elts[1].value for key, value in zip(table.keys, table.values)}
    # One performs all at once and takes them by name, the other hands over all but its list.
    used = {node.slice.value for node in ast.walk(tree) if isinstance(node, ast.Subscript)
            and getattr(node.value, 'id', '') in ('given', 'on')
            and isinstance(node.slice, ast.Constant)} or set(described)
    assert used == set(described) and least <= used
    assert all(text.endswith('.') and len(text) > 15 for text in described.values())


def test_the_launch_file_remaps_the_topics_of_the_node():
    """Remappings start from the names that the node subscribes to."""
    tree = ast.parse(LAUNCH.read_text())
    table, = (node.value for node in ast.walk(tree) if isinstance(node, ast.Assign)
              and getattr(node.targets[0], 'id', '') == 'remappings')
    users = [keyword.value.id for call in _calls(tree, 'Node')
             for keyword in call.keywords if keyword.arg == 'remappings']
    assert users == ['remappings', 'remappings'], 'the node and rviz2 share them'
    remapped = {element.elts[0].value for element in table.elts}
    assert remapped == {f'{camera}/{topic}' for camera in ('thermal', 'rgb')
                        for topic in ('image_raw', 'camera_info')}


def test_rviz_shows_the_four_images():
    """Each display is an image display with a complete topic."""
    displays = yaml.safe_load((ROOT / 'config/fusion.rviz').read_text())[
        'Visualization Manager']['Displays']
    assert {display['Topic']['Value'] for display in displays} == VIEWED
    for display in displays:
        assert display['Class'] == 'rviz_default_plugins/Image' and display['Enabled']
        assert display['Topic']['Reliability Policy'] in ('Reliable', 'Best Effort')
        camera = display['Topic']['Value'].endswith('image_raw')
        assert camera == (display['Topic']['Reliability Policy'] == 'Best Effort')


def test_foxglove_shows_the_four_images_and_diagnostics():
    """Every panel in the layout is configured, and the topics are those of the node."""
    layout = json.loads((ROOT / 'config/foxglove_layout.json').read_text())

    def panels(tree):
        return [tree] if isinstance(tree, str) else panels(tree['first']) + panels(tree['second'])

    configured = layout['configById']
    assert sorted(panels(layout['layout'])) == sorted(configured)
    images = {panel['imageMode']['imageTopic'] for panel in configured.values()
              if 'imageMode' in panel}
    assert images == {f'/{topic}' for topic in VIEWED}
    assert any(name.startswith('DiagnosticSummary') for name in configured)


def test_the_transport_profile_holds_camera_images():
    """Shared memory has room for 4 MB images, and every process takes the profile."""
    space = {'dds': 'http://www.eprosima.com'}
    root = ElementTree.parse(ROOT / 'config/fastdds.xml').getroot()
    transports = {item.findtext('dds:transport_id', namespaces=space): item
                  for item in root.iterfind('.//dds:transport_descriptor', space)}
    participant = root.find('.//dds:participant', space)
    assert participant.get('is_default_profile') == 'true'
    assert participant.findtext('.//dds:useBuiltinTransports', namespaces=space) == 'false'
    assert {item.text for item in participant.iterfind(
        './/dds:userTransports/dds:transport_id', space)} == set(transports)
    memory = next(item for item in transports.values()
                  if item.findtext('dds:type', namespaces=space) == 'SHM')
    assert int(memory.findtext('dds:segment_size', namespaces=space)) >= 4 * 2 * 4_000_000
