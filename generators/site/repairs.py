"""Repairs of finished pages: what the theme and the plugins get wrong, by regular expressions over the HTML."""

import html
import re

# What axe-core and the HTML checker find in pages of Material 9.8.1.
_FIXES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (
            r'(<div class="md-search" [^>]*role="dialog")(?![^>]*aria-label)',
            r'\1 aria-label="Search"',
        ),
        (r'<nav class="md-tags"(?![^>]*aria-label)', '<nav class="md-tags" aria-label="Tags"'),
        (
            r'<nav class="md-pagination"(?![^>]*aria-label)',
            '<nav class="md-pagination" aria-label="Pages of posts"',
        ),
        (
            r'<nav class="md-post__action"(?![^>]*aria-label)',
            '<nav class="md-post__action" aria-label="This post"',
        ),
        (r'(<input class="md-toggle[^>]*type="checkbox"[^>]*?) autocomplete="off"', r"\1"),
        (r'(<input class="md-nav__toggle[^>]*?) autocomplete="off"', r"\1"),
        (r' tabindex=""', ' tabindex="0"'),
        (r'(<figure class="fig"[^>]*>\s*)<p>(<img [^>]*>)</p>', r"\1\2"),  # Markdown's doing
        # An author's wish for the bundle of a post; Markdown gives no attributes to a table.
        (
            r'<table((?:(?!<table)[\s\S])*?</table>)\s*<p>\{: ?medium="(\w+)" ?\}</p>',
            r'<table data-medium="\2"\1',
        ),
        (r'(<\w[^<>]*?) medium="', r'\1 data-medium="'),
    )
)
_DOCSTRINGS = re.compile(r'class="doc ')
_THEIR_STYLE = re.compile(r'\s*<link rel="stylesheet" href="[^"]*_mkdocstrings\.css">')


def repaired(page: str) -> str:
    """A page with the theme's flaws mended."""
    for pattern, replacement in _FIXES:
        page = pattern.sub(replacement, page)
    return page if _DOCSTRINGS.search(page) else _THEIR_STYLE.sub("", page)


_KEPT = re.compile(r"(<(pre|script|style|textarea)\b.*?</\2>)", re.DOTALL)
_LINE_BREAK = re.compile(r"\s*\n\s*")


def closed_up(page: str) -> str:
    """A page without indentation and blank lines: the theme leaves hundreds, more with every page of the site."""
    parts = _KEPT.split(page)  # text, what is kept, its tag, text ...
    return "".join(
        _LINE_BREAK.sub("\n", text) + kept
        for text, kept in zip(parts[::3], [*parts[1::3], ""], strict=True)
    )


def into_head(page: str, lines: list[str]) -> str:
    """Add lines to the head, leaving out those whose `property` or `name` is there already."""
    new = []
    for line in lines:
        name = re.search(r'(?:property|name)="([^"]+)"', line)
        if name is None or f'"{name[1]}"' not in page.split("</head>", 1)[0]:
            new.append(line)
    return page.replace("</head>", "".join(f"    {line}\n" for line in new) + "  </head>", 1)


def social(title: str, description: str, address: str, card: str, site: str) -> list[str]:
    """What a link to the page shows elsewhere."""

    def meta(kind: str, name: str, content: str) -> str:
        return f'<meta {kind}="{name}" content="{html.escape(html.unescape(content))}">'

    return [
        meta("property", "og:title", title),
        meta("property", "og:description", description),
        meta("property", "og:url", address),
        meta("property", "og:site_name", site),
        meta("property", "og:image", card),
        meta("property", "og:image:width", "1200"),
        meta("property", "og:image:height", "630"),
        meta("property", "og:image:alt", f"{title}, a page of {site}"),
        meta("name", "twitter:card", "summary_large_image"),
        meta("name", "twitter:title", title),
        meta("name", "twitter:description", description),
        meta("name", "twitter:image", card),
        meta("name", "twitter:image:alt", f"{title}, a page of {site}"),
    ]


def content_of(name: str, lines: list[str]) -> str:
    """What one of some tags says; nothing when it is not among them."""
    found = (re.search(rf'="{re.escape(name)}" content="([^"]*)"', line) for line in lines)
    return next((html.unescape(match[1]) for match in found if match), "")
