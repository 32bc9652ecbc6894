"""
Hook of mkdocs: what pages link to outside docs/ becomes part of the site.

Pages name files of the repository as GitHub shows them (`../config/fusion.yaml`), pages outside
docs/ those inside. Both kinds of link lead to the same file on the site; one that leads
nowhere is left for mkdocs to report.
"""

from __future__ import annotations

import os
from pathlib import Path
import posixpath
import re

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
LINK = re.compile(r'(?<=\]\()(?![a-z]+:|#)([^)#\s]+)')
# Pages of the site outside docs/ that no page links to, but the table of contents.
PAGES = ('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md',
         'models/uaafusion_fast.md', 'models/uaafusion_paper.md')


def on_files(files, config):
    """Add the files that are linked to, and those that these link to."""
    known = {Path(file.abs_src_path) for file in files}
    pending = [path for path in known if path.suffix == '.md' and DOCS in path.parents]
    pending += [ROOT / name for name in PAGES]
    while pending:
        path = pending.pop()
        if path not in known:
            known.add(path)
            files.append(File.generated(config, _uri(path), abs_src_path=str(path)))
        if path.suffix == '.md':
            pending += [target for link in LINK.findall(path.read_text())
                        if (target := _target(path, link)).is_file() and target not in known]
    return files


def on_page_markdown(markdown, page, **_):
    """Let the links across the border of docs/ lead to where the site has the file."""
    path = Path(page.file.abs_src_path)
    folder = posixpath.dirname(page.file.src_uri)
    return LINK.sub(lambda match: (
        posixpath.relpath(_uri(target), folder)
        if (target := _target(path, match[0])).is_file() else match[0]), markdown)


def _target(page: Path, link: str) -> Path:
    return Path(os.path.normpath(page.parent / link))


def _uri(path: Path) -> str:
    """
    Return the place on the site: docs/ is its root, all else lies as in the repository.

    docs/README.md is the start page, so that README.md gets a name of its own.
    """
    if path == ROOT / 'README.md':
        return 'overview.md'
    return path.relative_to(DOCS if DOCS in path.parents else ROOT).as_posix()
