"""The posts as a series in the order of their papers, how long each takes, and where a reader can pass it on."""

import html
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

SPEED = 230  # words a minute, as said on the page that lists the posts

_UNREAD = re.compile(r"<(pre|script|style|svg)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_WORD = re.compile(r"\w[\w'’-]*")


def words(page: str) -> int:
    """The words of a page's HTML, without code, drawings and scripts."""
    text = html.unescape(_TAG.sub(" ", _UNREAD.sub(" ", page)))
    return len(_WORD.findall(text))


def minutes(page: str) -> int:
    """How long a page takes to read, at least one minute."""
    return max(1, math.ceil(words(page) / SPEED))


def stem_of(post: Any) -> str:
    """The paper that a post of the blog is about: as its front matter says, else as its file is named."""
    return str(post.meta.get("paper") or post.file.src_uri.rpartition("/")[2].removesuffix(".md"))


def in_order(posts: Sequence[Any], stems: Sequence[str]) -> list[Any]:
    """Posts of the blog in the order of their papers, several about one paper by date, others at the end."""
    place = {stem: number for number, stem in enumerate(stems)}
    return sorted(
        posts,
        key=lambda post: (
            place.get(stem_of(post), len(place)),
            post.config.date.created,
            post.file.src_uri,
        ),
    )


def neighbours(posts: Sequence[Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Each post between the one before it and the one after it; None where there is none."""
    yield from zip([None, *posts[:-1]], posts, [*posts[1:], None], strict=True)


def shares(title: str, address: str) -> dict[str, str]:
    """Where a page can be passed on: plain links, so that nothing is asked of anybody until one is followed."""
    at, name = quote(address, safe=""), quote(title, safe="")
    return {
        "mail": f"mailto:?subject={name}&body={at}",
        "Hacker News": f"https://news.ycombinator.com/submitlink?u={at}&t={name}",
        "LinkedIn": f"https://www.linkedin.com/sharing/share-offsite/?url={at}",
        "Mastodon": f"https://share.joinmastodon.org/#text={name}%20{at}",
        "X": f"https://x.com/intent/post?text={name}&url={at}",
    }
