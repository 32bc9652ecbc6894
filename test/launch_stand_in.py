"""
The part of `launch` and `launch_ros` that the launch files use, where neither is installed.

Launch configurations live as they do upstream: an include sets its arguments for all that
follows, a group puts everything back at its end. A process is not started: its command is kept.
test_launch_files.py runs the same tests over upstream where that is installed.
"""

from __future__ import annotations

from contextlib import contextmanager
import os
from pathlib import Path
import runpy
import sys
from types import ModuleType
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]


def perform(value, context):
    """Return the text of a substitution, a list of them, or a text."""
    if isinstance(value, (list, tuple)):
        return ''.join(perform(part, context) for part in value)
    return value.perform(context) if hasattr(value, 'perform') else value


class Substitution:
    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs


class LaunchConfiguration(Substitution):
    def perform(self, context):
        return context.launch_configurations[self.args[0]]


class EnvironmentVariable(Substitution):
    def perform(self, context):
        return os.environ.get(self.args[0]) or perform(self.kwargs['default_value'], context)


class FindPackageShare(Substitution):
    def perform(self, context):
        return str(ROOT)


class PathJoinSubstitution(Substitution):
    def perform(self, context):
        return os.path.join(*(perform(part, context) for part in self.args[0]))


class Entity:
    """Keeps what it was made with; `visit` acts and returns what is to be visited next."""

    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs

    def visit(self, context):
        return []


class LaunchDescription(Entity):
    def visit(self, context):
        return self.args[0]


class DeclareLaunchArgument(Entity):
    def visit(self, context):
        name, choices = self.args[0], self.kwargs.get('choices')
        value = context.launch_configurations.setdefault(
            name, perform(self.kwargs['default_value'], context))
        if choices is not None and value not in choices:
            raise RuntimeError(f'Argument "{name}" provided value "{value}" is not valid')
        return []


class UnsetLaunchConfiguration(Entity):
    def visit(self, context):
        context.launch_configurations.pop(self.args[0], None)
        return []


class OpaqueFunction(Entity):
    def visit(self, context):
        return self.kwargs['function'](context)


class _Restore(Entity):
    def visit(self, context):
        context.launch_configurations = self.args[0]
        return []


class GroupAction(Entity):
    def visit(self, context):
        return [*self.args[0], _Restore(dict(context.launch_configurations))]


class PythonLaunchDescriptionSource(Substitution):
    pass


class IncludeLaunchDescription(Entity):
    def visit(self, context):
        for name, value in self.kwargs['launch_arguments']:
            context.launch_configurations[name] = perform(value, context)
        path = perform(self.args[0].args[0], context)
        return [runpy.run_path(path)['generate_launch_description']()]


class ExecuteProcess(Entity):
    def visit(self, context):
        context.started.append((self, [perform(part, context) for part in self.kwargs['cmd']]))
        return []


class Node(ExecuteProcess):
    def visit(self, context):
        space = perform(self.kwargs['namespace'], context).strip('/')
        command = [self.kwargs['executable'], *self.kwargs.get('ros_arguments', ()),
                   '-r', f'__node:={self.kwargs["name"]}', '-r', f'__ns:=/{space}']
        for each in self.kwargs['parameters']:
            if not isinstance(each, dict):
                command += ['--params-file', perform(each, context)]
        for old, new in self.kwargs['remappings']:
            command += ['-r', f'{old}:={new}']
        context.started.append((self, command))
        return []


class PackageNotFoundError(KeyError):
    """As ament_index_python has it."""


def _get_package_prefix(name):
    raise PackageNotFoundError(name)


@contextmanager
def installed(monkeypatch, warnings):
    """Stand in for the modules; `warnings` takes what the launch files log."""
    content = {
        'launch': [LaunchDescription],
        'launch.actions': [
            DeclareLaunchArgument, ExecuteProcess, GroupAction, IncludeLaunchDescription,
            OpaqueFunction, UnsetLaunchConfiguration, type('Shutdown', (Entity,), {}),
            type('SetEnvironmentVariable', (Entity,), {})],
        'launch.launch_description_sources': [PythonLaunchDescriptionSource],
        'launch.logging': [],
        'launch.substitutions': [EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution],
        'launch_ros': [], 'launch_ros.actions': [Node],
        'launch_ros.parameter_descriptions': [type('ParameterValue', (Substitution,), {})],
        'launch_ros.substitutions': [FindPackageShare],
        'ament_index_python': [], 'ament_index_python.packages': [PackageNotFoundError],
    }
    with monkeypatch.context() as patch:
        for name, classes in content.items():
            module = ModuleType(name)
            vars(module).update({each.__name__: each for each in classes})
            patch.setitem(sys.modules, name, module)
        sys.modules['launch.logging'].get_logger = lambda name: SimpleNamespace(
            warning=warnings.append)
        sys.modules['ament_index_python.packages'].get_package_prefix = _get_package_prefix
        yield


def start(path, arguments):
    """Evaluate a launch file; return each process (its action, its command)."""
    context = SimpleNamespace(
        launch_configurations=dict(arguments), started=[], is_shutdown=False)

    def visit(entity):
        for each in entity.visit(context) or ():
            visit(each)

    visit(LaunchDescription([runpy.run_path(str(path))['generate_launch_description']()]))
    return context.started
