"""A post's built page as HTML that stands anywhere: no scripts, no styles, every address whole, pictures as PNG."""

from collections.abc import Callable
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Comment, Tag

from generators.site.medium.blocks import article_of
from generators.site.medium.runs import latex_of

# What an element may keep of its attributes; all else means something only on its page.
KEPT = {
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "time": {"datetime"},
}


def full_text(page: str, address: str, there: Callable[[str], bool]) -> str:
    """The words and pictures of a built post, without its title.

    Args:
        page: the built page.
        address: where it will be published.
        there: whether the site has a file at an address; asked for the PNG beside an SVG.

    Raises:
        medium.NoRule: the page has no article, or a formula without its LaTeX.
    """
    soup, article = article_of(page)  # without what belongs to the site and not to the text
    for heading in article.select("h1"):
        heading.decompose()
    for remark in article.find_all(string=lambda text: isinstance(text, Comment)):
        remark.extract()
    _write_formulas(soup, article)
    _still_models(soup, article, address)
    _unfold(soup, article)
    for picture in article.select("img[src]"):
        picture["src"] = _as_png(urljoin(address, str(picture["src"])), there)
    for link in article.select("a[href]"):
        link["href"] = urljoin(address, str(link["href"]))
    for node in article.select("span"):
        node.unwrap()
    for node in article.find_all(True):
        node.attrs = {k: v for k, v in node.attrs.items() if k in KEPT.get(node.name, ())}
    article.smooth()
    return article.decode_contents().strip()


def _write_formulas(soup: BeautifulSoup, article: Tag) -> None:
    """KaTeX's spans need its style sheet; the LaTeX that they were drawn from needs nothing."""
    for drawn in article.select(".katex"):
        code = soup.new_tag("code", string=latex_of(drawn))
        display = drawn.find_parent(class_="katex-display")
        if display is None:
            drawn.replace_with(code)
            continue
        line = soup.new_tag("p")
        line.append(code)
        display.replace_with(line)


def _still_models(soup: BeautifulSoup, article: Tag, address: str) -> None:
    """A live model becomes the picture that stands in it, and a link to where it runs."""
    for model in article.select("[parts]"):
        line = soup.new_tag("p")
        target = f"{address}#{model.get('id', '')}"
        line.append(
            soup.new_tag("a", href=target, string="The model runs on the page of this post.")
        )
        model.insert_after(line)
        model.unwrap()


def _unfold(soup: BeautifulSoup, article: Tag) -> None:
    """What a click unfolds stands open, its question in bold: few readers of feeds can fold."""
    for fold in article.select("details"):
        if question := fold.find("summary", recursive=False):
            question.name = "strong"
            question.wrap(soup.new_tag("p"))
        fold.name = "div"


def _as_png(address: str, there: Callable[[str], bool]) -> str:
    """Our drawings follow the colours of their page, which has none in a feed; each has a PNG on white beside it."""
    drawn = address.removesuffix(".svg") + ".png"
    return drawn if address.endswith(".svg") and there(drawn) else address
