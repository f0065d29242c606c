"""What a built site would fetch from other hosts: nothing, so that it works offline and tells nobody who reads it."""

import re
from pathlib import Path

_ELEMENT = re.compile(
    r"<(?:link|script|img|iframe|source|video)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//([^\"'/ >]+)", re.IGNORECASE
)
_SHEET = re.compile(r"(?:url\(|@import )[\"']?(?:https?:)?//([^\"'/)]+)")


def hosts(site: Path) -> set[str]:
    """Other hosts that a page, or a style sheet, of the site in this directory fetches something from."""
    found = {host for page in site.rglob("*.html") for host in _ELEMENT.findall(page.read_text(encoding="utf-8"))}
    return found | {host for sheet in site.rglob("*.css") for host in _SHEET.findall(sheet.read_text(encoding="utf-8"))}
