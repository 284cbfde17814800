"""The pictures of shared links: whatever a title is, it is whole; and what front matter gets wrong is named."""

import dataclasses
import io

import pytest
from PIL import Image

from generators.papers import UnknownName
from generators.site import cards, fonts, pictures
from generators.site.cards import BOLD, MARGIN, SANS, SERIF, Card
from generators.site.gather import gather
from generators.site.parts import Inputs

FIGURE = (
    '<svg viewBox="0 0 400 300" width="400" height="300"><circle cx="200" cy="150" r="140"/></svg>'
)
TITLES = (
    "A",
    "Attention Is All You Need",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "Electroencephalographically uncharacteristically counterrevolutionary",
    "Two networks read the same manuals. The better reader was the worse student. Why is that, and does it last?",
)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """The project's own."""
    return gather()


def ink(card: Card) -> tuple[int, int, int, int]:
    """The box of all that is drawn."""
    picture = Image.open(io.BytesIO(cards.drawing(card).made())).convert("L")
    return picture.point(lambda grey: 255 * (grey < 240)).getbbox()


@pytest.mark.parametrize("font", [SERIF, SANS, BOLD])
def test_a_line_is_as_wide_as_it_was_measured(font: str) -> None:
    text = "Hamburgefonstiv 0123 WAVE, fifty %"
    letters = cards._text(text, font, 50, 10, 60, "#000000")
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 100">{letters}</svg>'
    drawn = pictures.Drawing(svg, 1200, fonts=pictures.files(font)).made()
    box = Image.open(io.BytesIO(drawn)).convert("L").point(lambda grey: 255 - grey).getbbox()
    measured = cards.width(text, font, 50)
    assert 0.95 * measured < box[2] - 10 <= measured


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("room", [532, 1072])
def test_every_title_fits_in_three_lines(title: str, room: int) -> None:
    size, lines = next(cards.settings(title, room, 440))
    assert len(lines) <= 3
    assert size >= 20
    assert all(cards.width(line, SERIF, size) <= room for line in lines)
    assert " ".join(lines) == title


def test_a_title_too_long_for_any_size_ends_in_dots() -> None:
    _, lines = list(cards.settings("endless " * 90, 532, 440))[-1]
    assert lines[-1].endswith("…")
    assert cards.width(lines[-1], SERIF, 20) <= 532


@pytest.mark.parametrize(
    "numbers", [(), [("<!--r:a.b.c:pct-->99.95\u202f%<!--/r-->", "of all")] * 3]
)
def test_a_card_without_a_figure_is_whole(numbers: list[tuple[str, str]]) -> None:
    left, top, right, bottom = ink(
        Card("Note", TITLES[2], "Site", "Who, 2017", "Why. " * 99, "", (), numbers)
    )
    assert (left, right) == (MARGIN, 1200 - MARGIN)
    assert top >= 48
    assert bottom <= 602


def test_a_crop_shows_that_part_alone() -> None:
    card = Card("", "T", "T", figure=FIGURE)
    corner = dataclasses.replace(card, crop=(0, 0, 20, 20))
    assert cards.drawing(card).pasted != cards.drawing(corner).pasted
    drawn = Image.open(io.BytesIO(cards.drawing(corner).pasted.made())).convert("L")
    assert drawn.getextrema()[0] > 240, "the circle begins further in"


def test_longer_bylines_give_way_to_the_year() -> None:
    long = Card(
        "Measured results",
        "T",
        "Site",
        by="Someone with a very long name and forty-one others, 2017",
    )
    svg = cards.drawing(long).svg
    assert ">2017<" in svg
    assert "forty-one" not in svg


def test_front_matter_says_what_a_card_shows(inputs: Inputs) -> None:
    page = ("claims.md", "Claims", "What became of them.")
    svg = inputs.units["gpt2"].figures["hint"]
    found = cards.of_page(
        *page, {"card": {"figure": "gpt2.hint", "crop": [0, 0, 9, 9]}}, "", inputs
    )
    assert (found.figure, found.crop, found.line) == (svg, (0, 0, 9, 9), page[2])
    with pytest.raises(UnknownName, match=r'did you mean "gpt2\.hint"'):
        cards.of_page(*page, {"card": {"figure": "gpt2.hnt"}}, "", inputs)
    for crop in ([0, 0, 9], [0, 0, 9, 0], [0, -1, 9, 9], "all", 9, ["0", "0", "9", "9"]):
        with pytest.raises(ValueError, match="left, top, width and height"):
            cards.of_page(*page, {"card": {"figure": "gpt2.hint", "crop": crop}}, "", inputs)
    for numbers in (7, ["61 %"], [["61 %"]], {"61 %": "right"}):
        with pytest.raises(ValueError, match="a number and its words"):
            cards.of_page(*page, {"card": {"numbers": numbers}}, "", inputs)
    with pytest.raises(ValueError, match="card is 'hint'"):
        cards.of_page(*page, {"card": "hint"}, "", inputs)
    assert cards.of_page(*page, {"card": {"numbers": None}}, "", inputs).numbers == []


def test_pages_of_a_paper_show_what_its_note_says_and_else_its_first_figure(inputs: Inputs) -> None:
    unit = inputs.units["gpt2"]
    page = ("api/gpt2.md", "Code: GPT-2", "Every function.", {}, "", inputs)
    card = cards.of_page(*page)
    assert (card.kind, card.title, card.figure) == (
        "API",
        "GPT-2",
        unit.figures[unit.front["card"]["figure"]],
    )
    without = {key: value for key, value in unit.front.items() if key != "card"}
    bare = dataclasses.replace(
        inputs,
        units={
            **inputs.units,
            "gpt2": dataclasses.replace(unit, front=without, note="<!--f:gpt2.hint-->"),
        },
    )
    assert cards.of_page(*page[:-1], bare).figure == unit.figures["hint"]
    post = cards.of_page("posts/entries/x.md", "T", "D", {"paper": "gpt2"}, "", bare)
    assert (post.kind, post.by, post.figure) == ("Post", "GPT-2, 2019", unit.figures["hint"])


def test_a_title_loses_its_tags_and_keeps_its_signs() -> None:
    assert cards.plain("<em>A</em> &amp; B: p < 0.05, q > 1<!-- x -->") == "A & B: p < 0.05, q > 1"


def test_a_card_lies_where_its_address_leads() -> None:
    assert cards.path("./") == "assets/cards/home.png"
    assert cards.path("posts/caf%C3%A9/") == "assets/cards/posts-café.png"


def test_a_character_that_no_font_has_is_named() -> None:
    with pytest.raises(fonts.MissingCharacter, match="漢"):
        cards.drawing(Card("Note", "漢", "Site"))
