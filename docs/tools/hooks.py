"""What MkDocs does beyond its own: pages made from files outside docs/, the notebook, and links between them.

MkDocs calls the functions named ``on_...`` (`hooks` in mkdocs.yml).
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from executed import executed_page
from foreign_hosts import hosts
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pages import BORROWED, DOCS, LATER, NOTEBOOK, NOTEBOOK_PAGE, ROOT

_LINK = re.compile(r"(?<!!)\[([^][]*(?:\[[^][]*\][^][]*)*)\]\((?!https?://|mailto:|#)([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what comes later, as long as it is not there."""
    missing = {name for name in LATER if not (DOCS / name).exists()}
    config.nav = _without(config.nav, missing)
    return config


def _without(nav: Any, missing: set[str]) -> Any:
    if isinstance(nav, list):
        return [_without(entry, missing) for entry in nav if not _names(entry) & missing]
    return {title: _without(inside, missing) for title, inside in nav.items()} if isinstance(nav, dict) else nav


def _names(entry: Any) -> set[str]:
    values = entry.values() if isinstance(entry, dict) else [entry]
    return {value for value in values if isinstance(value, str)}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made: borrowed ones and the executed notebook."""
    for uri, source in BORROWED.items():
        files.append(File.generated(config, uri, content=(ROOT / source).read_text(encoding="utf-8")))
    content, pictures = executed_page(DOCS / NOTEBOOK)
    files.append(File.generated(config, NOTEBOOK_PAGE, content=content))
    for name, picture in pictures.items():
        files.append(File.generated(config, posixpath.join(posixpath.dirname(NOTEBOOK_PAGE), name), content=picture))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links between files of the repository into links between pages."""
    uri = page.file.src_uri
    return _LINK.sub(lambda link: _on_site(link, uri, BORROWED.get(uri, f"docs/{uri}")), markdown)


def _on_site(link: re.Match[str], uri: str, source: str) -> str:
    """The link as the site has it; to a file that is no page, its text alone, since the site may stand anywhere."""
    text, (target, hash_sign, anchor) = link[1], link[2].partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    pages = {made: page for page, made in BORROWED.items()} | {f"docs/{NOTEBOOK}": NOTEBOOK_PAGE}
    if path.startswith("docs/") and path not in pages and uri not in BORROWED:
        return link[0]  # MkDocs checks it
    inside = pages.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
    if inside is not None:
        return f"[{text}]({posixpath.relpath(inside, posixpath.dirname(uri))}{hash_sign}{anchor})"
    if not (ROOT / path).exists():
        raise PluginError(f"{source}: the link to {link[2]!r} leads nowhere")
    return text if "`" in text else f"{text} (`{path}`)"


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that fetches anything from another host."""
    if found := hosts(Path(config.site_dir)):
        raise PluginError(f"the site fetches something from {', '.join(sorted(found))}; keep it beside the pages")
