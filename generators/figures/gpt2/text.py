"""Text as bytes: what scripts pay, and what the split pattern is for."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from generators.charts import arrow, beside, box, canvas, quiet, words
from generators.figure import STRONG, lettered, new_figure
from generators.palette import colour
from generators.record import Record, Summary

# fmt: off
LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "da": "Danish", "pl": "Polish", "tr": "Turkish",
    "vi": "Vietnamese", "el": "Greek", "ru": "Russian", "hy": "Armenian", "he": "Hebrew", "ar": "Arabic",
    "am": "Amharic", "ka": "Georgian", "hi": "Hindi", "bn": "Bengali", "ta": "Tamil", "si": "Sinhala", "th": "Thai",
    "lo": "Lao", "my": "Burmese", "km": "Khmer", "ko": "Korean", "ja": "Japanese", "zh": "Chinese",
}
# fmt: on
TALL = 15  # a language's row


def round_trip(record: Record) -> Figure:
    """Tokens of the same names in 25 languages, English = 1: up to five with English merges, below two with mixed."""
    names = sorted(LANGUAGES, key=lambda name: record[f"price.prose.{name}"].mean)
    height = TALL * len(names)
    figure, axes = new_figure(
        height + 92,
        left=82,
        right=44,
        top=44,
        bottom=48,
        x="tokens for the same names, English = 1",
    )
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.set(xlim=(0.8, 5.2), ylim=(height, 0), xticks=[1, 2, 3, 4, 5], yticks=[])
    style = {"markersize": 8, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
    for row, name in enumerate(names):
        y = TALL * (row + 0.5)
        dear, even = (record[f"price.{kind}.{name}"].mean for kind in ("prose", "mixed"))
        axes.plot([even, dear], [y, y], color=colour("mute"), linewidth=2.2)
        axes.plot(even, y, "s", color=colour("c3"), **style | {"markersize": 7})
        axes.plot(dear, y, "o", color=colour("c1"), **style)
        beside(axes, LANGUAGES[name], 0, y, -80, "left")
        beside(axes, lettered(dear, "f1"), 1, y, 40, color=colour("c1"), weight=STRONG)
    beside(axes, "learnt from 25 languages", 0, 0, 20, "left", up=28, color=colour("c3"))
    text = "merges learnt from English"
    beside(axes, text, 1, 0, 40, up=12, color=colour("c1"), weight=STRONG)
    return figure


# The split pattern ----------------------------------------------------------------------------------------------

PATTERNS = {
    "pattern": "the pattern",
    "no_space": "without its space",
    "lines": "whole lines",
}
DOUBLES, TOKENS, BITS = 128, 216, 306  # where a column is 0
LONG, BAR = 56, 17  # of a bar that fills its column, and how tall it is


def split_pattern(record: Record) -> Figure:
    """Three ways to cut text before merging: only whole lines give near-doubles, and they write text shortest."""
    figure, axes = canvas(48 + 45 * len(PATTERNS))
    for x, head in (
        (DOUBLES, "near-doubles"),
        (TOKENS, "tokens a byte"),
        (BITS - 8, "extra bits a byte"),
    ):
        quiet(axes, (x, 14), head)
    for x in (DOUBLES, TOKENS, BITS):
        arrow(axes, [(x, 28), (x, 44 + 45 * len(PATTERNS))], "edge", 0.8, head=False)
    for row, (arm, name) in enumerate(PATTERNS.items()):
        y = 56 + 45 * row
        role, style = ("c1", {"weight": STRONG}) if arm == "pattern" else ("mute", {})
        words(axes, (2, y), name, **style)
        doubles, tokens = record[f"variants.{arm}"].mean, record[f"tokens_per_byte.{arm}"].mean
        for x, value, full, form in ((DOUBLES, doubles, 100, "int"), (TOKENS, tokens, 0.6, "f2")):
            box(axes, (x, y - BAR / 2), LONG * value / full, BAR, role)
            words(axes, (x + LONG * value / full + 5, y), lettered(value, form), **style)
        if arm == "pattern":
            words(axes, (BITS + 6, y), "0", **style)
        else:
            _extra(axes, y, record[f"more.bits_pairs.{arm}"])
    return figure


def _extra(axes: Axes, y: float, bits: Summary) -> None:
    """A difference with its interval; in colour where the interval leaves 0 out."""
    tone = "c2" if bits.low > 0 else "edge"
    middle, low, high = (BITS + LONG * v / 0.2 for v in (bits.mean, bits.low, bits.high))
    axes.plot([low, high], [y, y], color=colour(tone), linewidth=1.6)
    style = {"markersize": 7, "markeredgecolor": colour("paper"), "markeredgewidth": 1.2}
    axes.plot(middle, y, "s" if bits.low > 0 else "o", color=colour(tone), **style)
    words(axes, (high + 5, y), f"+{lettered(bits.mean, 'f2')}", tone if bits.low > 0 else "ink")


FIGURES = {"round_trip": round_trip, "split_pattern": split_pattern}
