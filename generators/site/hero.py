"""The drawing on the home page: one real decode, each line as wide as its attention weight."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from fontTools.ttLib import TTFont

from generators.site import fonts, live
from generators.site.parts import Inputs, esc

WIDTH, HEIGHT, SIZE = 960, 330, 46  # the view box; and the words' size, 17 px on a phone
SOURCE, TARGET = 62, 300  # base lines of the two rows of words
TOP, BOTTOM = 80, 250  # where lines begin and end
FAINT = 0.05  # weaker lines are left out
LINE = 9  # the width of a line of weight 1
ELEMENT = "number-translator"  # what runs in the drawing's place
SPECIAL = ("<", "[")  # begin of tokens that are no words: <end>, [PAD]
LANGUAGES = {
    "de": "German",
    "en": "English",
    "fr": "French",
    "da": "Danish",
    "nl": "Dutch",
    "es": "Spanish",
}


@dataclass(frozen=True)
class Decode:
    """A source, what the model wrote, and how strongly each written word looked at each source word."""

    source: Sequence[str]
    target: Sequence[str]
    weights: Sequence[Sequence[float]]  # target, source: each row at most 1
    title: str
    subtitle: str


def hero(inputs: Inputs, page: str) -> str:
    """The frame on the home page: of the record that `extra.hero` names; empty until it exists.

    It is the first paint of the live translator, whose words then stand where the drawn ones stood.
    """
    name = str(inputs.extra.get("hero", ""))
    record = inputs.records.get(name)
    found = [decode(example) for example in examples(record.runs[0])] if record else []
    if not found:
        return ""
    best = max(found, key=merit)
    translator = next((k for k, tag in inputs.extra.get("live", {}).items() if tag == ELEMENT), "")
    return (
        f'<div class="frame" id="hero" data-record="{esc(name)}" {live.mark(translator)}>'
        f'<p class="frame-head"><span><strong>{esc(best.title)}</strong>, {esc(best.subtitle)}</span>'
        f"<span>Cross-attention, last layer, mean of heads, %</span></p>{draw(best)}</div>"
    )


def examples(run: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The decodes of a run: several to choose from, or the one that a live model's record keeps."""
    if one := run.get("drawn"):
        ways = (one["source"], one["target"])
        kept = {"source": one["read"], "target": one["written"], "weights": one["maps"]}
        return [kept | {"languages": ways, "number": one["number"]}]
    return run.get("examples", [])


def merit(d: Decode) -> tuple[bool, bool, int, int]:
    """Which example to draw: the caption speaks of German lines that cross; short words are drawn larger."""
    letters = max(len("".join(d.source)), len("".join(d.target)))
    return (
        d.subtitle == "German to English",
        len(crossing(d)) > 0,
        -abs(len(d.source) - 5),
        -letters,
    )


def decode(example: Mapping[str, Any]) -> Decode:
    """An example of the record: the last layer's mean over heads, words only."""
    heads = example["weights"][-1]
    rows = [
        [sum(column) / len(heads) for column in zip(*row, strict=True)]
        for row in zip(*heads, strict=True)
    ]
    keep_source = [i for i, word in enumerate(example["source"]) if not word.startswith(SPECIAL)]
    keep_target = [i for i, word in enumerate(example["target"]) if not word.startswith(SPECIAL)]
    ways = [LANGUAGES.get(language, language) for language in example.get("languages", ())]
    return Decode(
        [example["source"][i].strip() for i in keep_source],
        [example["target"][i].strip() for i in keep_target],
        [[rows[t][s] for s in keep_source] for t in keep_target],
        str(example.get("number", " ".join(example["target"]))),
        " to ".join(ways),
    )


def strongest(d: Decode) -> dict[int, int]:
    """For each written word the source word that it looked at most."""
    return {t: max(range(len(row)), key=row.__getitem__) for t, row in enumerate(d.weights)}


def crossing(d: Decode) -> set[int]:
    """The written words whose strongest lines cross: the order of the two languages differs there."""
    look = strongest(d)
    pairs = [(a, b) for a, b in combinations(look, 2) if look[a] > look[b]]
    return {t for pair in pairs for t in pair}


@functools.cache
def _advances() -> tuple[Mapping[str, int], int]:
    font = TTFont(fonts.text()["assets/fonts/folio-serif.woff2"])
    widths = {chr(code): font["hmtx"][name][0] for code, name in font.getBestCmap().items()}
    return widths, font["head"].unitsPerEm


def width(word: str, size: float) -> float:
    """How wide a word is in the serif."""
    advances, em = _advances()
    return sum(advances.get(character, em * 0.55) for character in word) * size / em


def centres(words: Sequence[str], size: float) -> list[float]:
    """Where the words of a row stand: the room left over is shared between them."""
    widths = [width(word, size) for word in words]
    gap = (WIDTH - sum(widths)) / (len(words) + 1)
    gap, start = (
        (gap, gap) if gap < 120 else (120, (WIDTH - sum(widths) - 120 * (len(words) - 1)) / 2)
    )
    places, x = [], start
    for each in widths:
        places.append(x + each / 2)
        x += each + gap
    return places


def draw(d: Decode) -> str:
    """The drawing as inline SVG, so that it follows the page's colours."""
    longest = max(sum(width(word, SIZE) + 24 for word in row) for row in (d.source, d.target))
    size = min(SIZE, SIZE * WIDTH / longest)
    above, below = centres(d.source, size), centres(d.target, size)
    crossed, look = crossing(d), strongest(d)
    lines, numbers = [], []
    for t, row in enumerate(d.weights):
        for s, weight in enumerate(row):
            if weight >= FAINT:
                strong = s == look[t]
                kind = ("cross" if t in crossed else "straight") if strong else "thin"
                lines.append((strong, kind, _line(above[s], below[t], weight)))
        side = 1 if below[t] >= above[look[t]] else -1
        numbers.append(_number(below[t] + side * 34, 100 * row[look[t]], side))
    lines.sort(key=lambda line: line[0])
    drawn = "".join(f'<path class="{kind}" {shape}/>' for _, kind, shape in lines)
    words = "".join(_word(word, x, SOURCE, size) for word, x in zip(d.source, above, strict=True))
    words += "".join(_word(word, x, TARGET, size) for word, x in zip(d.target, below, strict=True))
    label = ", ".join(f"“{d.target[t]}” looks at “{d.source[s]}”" for t, s in look.items())
    opening = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{esc(label)}">'
    return f"{opening}{drawn}{words}{''.join(numbers)}</svg>"


def _line(above: float, below: float, weight: float) -> str:
    middle = (TOP + BOTTOM) / 2
    curve = (
        f"M{above:.0f} {TOP}C{above:.0f} {middle:.0f} {below:.0f} {middle:.0f} {below:.0f} {BOTTOM}"
    )
    return f'd="{curve}" stroke-width="{LINE * weight:.1f}"'


def _word(word: str, x: float, y: int, size: float) -> str:
    return f'<text class="word" x="{x:.0f}" y="{y}" font-size="{size:.0f}">{esc(word)}</text>'


def _number(x: float, percent: float, side: int) -> str:
    return f'<text class="share" x="{x:.0f}" y="{BOTTOM - 14}" text-anchor="middle">{percent:.0f}</text>'
