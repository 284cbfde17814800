"""The house style: colours that everybody can tell apart, and pictures that are the same each time."""

import functools
import gzip
import importlib
import itertools
import json
import re
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from generators import charts, figure, ledger, lettering, palette, record
from generators.experiment import Claim, Rule
from generators.figures import transformer as figures
from generators.files import ROOT, Damaged, read_sealed, write_sealed
from generators.papers import UnknownName
from generators.record import Summary
from generators.source import alt_text
from generators.svg import NotAllowed, slim

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # stray backslashes in its docstrings
    from colorspacious import cspace_convert, deltaE

SCHEMES = {"light": 0, "dark": 1}
BLINDNESS = ("normal", "deuteranomaly", "protanomaly", "tritanomaly")


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dull = sorted([luminance(one), luminance(other)], reverse=True)
    return (bright + 0.05) / (dull + 0.05)


def seen(colour, eyes):
    """A colour as sRGB from 0 to 1, as eyes with this deficiency see it."""
    rgb = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    if eyes == "normal":
        return rgb
    space = {"name": "sRGB1+CVD", "cvd_type": eyes, "severity": 100}
    return np.clip(cspace_convert(rgb, space, "sRGB1"), 0, 1)


def nearest(colours, eyes):
    pairs = itertools.combinations([seen(colour, eyes) for colour in colours], 2)
    return min(deltaE(*pair, input_space="sRGB1", uniform_space="CAM02-UCS") for pair in pairs)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("role", ["ink", "dim", *(f"c{n}" for n in range(1, 7))])
def test_text_in_these_colours_is_readable_on_paper(role, scheme):
    which = SCHEMES[scheme]
    assert contrast(palette.ROLES[role][which], palette.ROLES["paper"][which]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("step", range(10))
def test_a_number_is_readable_on_every_step_of_a_heat_map(step, scheme):
    which = SCHEMES[scheme]
    text, cell = palette.ROLES[charts.on_step(step)][which], palette.ROLES[f"s{step}"][which]
    assert contrast(text, cell) >= 4.5


@pytest.mark.parametrize("eyes", BLINDNESS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_categories_stay_apart_for_everybody(scheme, eyes):
    colours = [pair[SCHEMES[scheme]] for pair in palette.CATEGORIES]
    first_three = {"light": 20, "dark": 17.5}[scheme]  # on dark paper tritanopia leaves 17.6
    assert nearest(colours[:3], eyes) >= first_three
    assert nearest(colours, eyes) >= 13


@pytest.mark.parametrize("eyes", BLINDNESS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_two_ends_of_a_diverging_scale_stay_apart(scheme, eyes):
    ends = [palette.DIVERGING[end][SCHEMES[scheme]] for end in (0, -1)]
    assert nearest(ends, eyes) >= 35


def test_heat_map_steps_get_evenly_stronger():
    for which, direction in ((0, -1), (1, 1)):
        steps = [seen(pair[which], "normal") for pair in palette.SEQUENTIAL]
        lightness = np.array([cspace_convert(rgb, "sRGB1", "CAM02-UCS")[0] for rgb in steps])
        gaps = np.diff(lightness) * direction
        assert gaps.min() > 3
        assert gaps.max() < 12


def test_steps_follow_the_square_root_of_the_weight():
    assert [charts.step(weight) for weight in (0, 0.009, 0.011, 0.24, 0.26, 0.99, 1)] == [
        0,
        0,
        1,
        4,
        5,
        9,
        9,
    ]


# Pictures


def summaries(*values):
    return [Summary((value - 1, value, value + 1)) for value in values]


def curves():
    drawn, axes = figure.new_figure(250, x="updates", y="exact match, %")
    axes.set(xlim=(0, 4), ylim=(0, 100))
    for category, label in enumerate(("one", "two", "three"), start=1):
        figure.line(axes, range(5), summaries(0, 50, 80, 90, 99), category, label)
    figure.end_labels(axes)
    return drawn


def cells():
    return charts.heatmap(
        ["two", "one"], ["ein", "und", "zwei"], [[0.02, 0.08, 0.9], [0.7, 0.3, 0]]
    )


def horizontal():
    names, values = ["as published", "no positions"], summaries(99, 12)
    return figure.bars(names, values, "{:.1f}".format, x="exact match, %")[0]


PICTURES = [curves, cells, horizontal]


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_the_same_each_time(picture):
    assert figure.svg(picture()) == figure.svg(picture())


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_follows_the_readers_scheme(picture):
    text = figure.svg(picture())
    rules, drawing = text.split("</style>")
    assert not re.search(r"#[0-9a-f]{6}|rgb\(", drawing)
    assert "#0102" not in text
    used = set(re.findall(r"var\(--(\w+)\)", drawing))
    assert "dim" in used
    for name in used:
        light, dark = palette.ROLES[name]
        before, after = rules.split("@media(prefers-color-scheme:dark)")
        assert f"--{name}:{light}" in before
        assert f"--{name}:{dark}" in after
    assert "var(" not in palette.light(text) + palette.dark(text)
    assert palette.ROLES["dim"][0] in palette.light(text)
    assert palette.ROLES["dim"][0] not in palette.dark(text)


@pytest.mark.parametrize("picture", PICTURES)
def test_a_picture_is_small_whole_and_400_px_wide(picture):
    text = figure.svg(picture())
    root = ElementTree.fromstring(text)
    assert root.get("width") == "400"
    assert root.get("viewBox") == f"0 0 400 {root.get('height')}"
    assert "<image" not in text
    assert "metadata" not in text
    pointed_at = set(re.findall(r'href="#(\w+)"|url\(#(\w+)\)', text))
    assert {one or other for one, other in pointed_at} == set(re.findall(r' id="(\w+)"', text))


def test_a_raster_image_is_refused():
    drawn, axes = figure.new_figure(200)
    axes.imshow([[0.1, 0.9]])
    with pytest.raises(NotAllowed, match="raster"):
        figure.svg(drawn)


def test_a_colour_from_elsewhere_is_refused():
    drawn, axes = figure.new_figure(200)
    axes.plot([0, 1], color="red")
    with pytest.raises(palette.ForeignColour, match="#ff0000"):
        figure.svg(drawn)


def test_an_unknown_role_names_the_nearest():
    with pytest.raises(UnknownName, match='did you mean "paper"'):
        palette.colour("papre")


def test_a_letter_that_the_font_lacks_is_refused():
    drawn, _ = figure.new_figure(200, y="a → b")
    with pytest.raises(NotAllowed, match="RIGHTWARDS ARROW"):
        figure.svg(drawn)


def test_a_figure_wider_than_a_phone_is_refused():
    with pytest.raises(ValueError, match="400 px wide, not 640"):
        figure.svg(Figure(figsize=(640 / 72, 3)))


def test_weights_that_do_not_fit_their_labels_are_refused():
    with pytest.raises(ValueError, match="2 columns"):
        charts.heatmap(["a"], ["b", "c"], [[1, 2, 3]])


def test_semibold_letters_are_not_the_plain_ones():
    assert figure.text_width("measured", 600) > figure.text_width("measured", 400)


def test_without_the_font_package_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(lettering, "FONTS", tmp_path)
    with pytest.raises(lettering.NoFont, match="nox -s env"):
        lettering.lettering()


@pytest.mark.parametrize("wanted", [[0, 0, 0], [0, 1, 50], [0, 20, 40], [5], [], [0, 14, 15, 16]])
def test_spread_labels_keep_order_and_distance_and_move_little(wanted):
    places = figure.spread(wanted, 15)
    assert all(later - earlier >= 15 - 1e-9 for earlier, later in itertools.pairwise(places))
    assert np.isclose(sum(places), sum(wanted))
    if all(later - earlier >= 15 for earlier, later in itertools.pairwise(wanted)):
        assert places == wanted


def test_the_largest_of_a_row_has_the_box_and_small_weights_have_no_number():
    drawn = cells()
    labels = [text.get_text() for text in drawn.axes[0].texts]
    assert {"90", "70", "30"} <= set(labels)
    assert "8" not in labels
    boxes = [patch for patch in drawn.axes[0].patches if not patch.get_fill()]
    assert len(boxes) == 2


def test_a_map_with_narrow_cells_has_colours_and_boxes_but_no_numbers():
    names = [f"word {number}" for number in range(18)]
    drawn = charts.heatmap(names[:2], names, [[0.05] * 17 + [0.15], [0.95] + [0.0] * 16 + [0.05]])
    labels = {text.get_text() for text in drawn.axes[0].texts}
    assert labels == {*names, "weight, %", "0", "25", "100", ""}
    boxes = [patch for patch in drawn.axes[0].patches if not patch.get_fill()]
    assert len(boxes) == 2
    assert drawn.get_tightbbox(FigureCanvasAgg(drawn).get_renderer()).x1 * 72 <= figure.WIDTH


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.3, 0.9])
def test_a_dot_in_a_small_map_can_be_seen_on_its_cell(weight):
    _, axes = charts.canvas(100)
    charts.small_map(axes, (0, 0), (20, 20), [[weight]], dots=[(0, 0)])
    (dot,) = axes.get_lines()
    assert dot.get_color() == palette.colour(charts.on_step(charts.step(weight)))


def test_intervals_of_bars_end_where_the_quantity_does():
    _, axes = figure.bars(
        ["lost"], [Summary((90, 99, 99))], "{:.0f}".format, x="%", within=(0, 100)
    )
    ends = [x for line in axes.collections for part in line.get_segments() for x, _ in part]
    assert max(ends) == 100


def test_what_is_only_there_to_be_compared_is_thin_and_its_label_dim():
    _, axes = figure.new_figure(250)
    figure.line(axes, range(3), [1, 2, 3], 0, "another")
    figure.line(axes, range(3), [3, 2, 1], 1, "ours")
    figure.end_labels(axes)
    another, ours = axes.texts
    if another.get_text() == "ours":
        another, ours = ours, another
    assert another.get_color() == palette.colour("dim")
    assert ours.get_color() == palette.colour("c1")
    assert another.get_weight() < ours.get_weight()


def test_on_a_logarithmic_axis_a_curve_is_the_mean_of_logarithms_and_its_band_stays_above_zero():
    _, axes = figure.new_figure(250)
    axes.set(yscale="log")
    figure.line(axes, [0, 1], [Summary((0.01, 0.1, 1)), Summary((2, 2, 2))])
    assert np.allclose(axes.get_lines()[0].get_ydata(), [0.1, 2])
    (band,) = axes.collections
    assert band.get_paths()[0].vertices[:, 1].min() > 0


@pytest.mark.parametrize(
    ("ends", "ticks", "expected"),
    [
        ((2, 32), (2, 8, 32), ["2", "8", "32"]),
        ((0.08, 1.2), (), ["0.1", "0.2", "0.5", "1"]),
        ((0.5, 2000), (), ["1", "3", "10", "30", "100", "300", "1\u2009000"]),
    ],
)
def test_a_logarithmic_axis_has_plain_numbers(ends, ticks, expected):
    drawn, axes = figure.new_figure(250)
    axes.set(yscale="log", ylim=ends)
    figure.logarithmic(axes.yaxis, ticks)
    known = {text.get_text() for text in written(drawn)}
    assert known & set(expected) == set(expected)
    assert not any("^" in text for text in known)


# What `draw` writes: two small figures of records of nobody


def made_up(name):
    weights = np.random.default_rng(0).dirichlet([1, 1, 1], size=2).round(3).tolist()
    run = {
        "accuracy": 0.99,
        "curve": [0.2, 0.7, 0.99],
        "target": ["two", "one"],
        "weights": weights,
    }
    return {
        "kind": "measured",
        "paper": "transformer",
        "name": name,
        "settings": {},
        "seeds": [0, 1, 2],
        "runs": [run, {**run, "accuracy": 0.94}, run],
        "fingerprint": "made up",
    }


def a_curve(known):
    drawn, axes = figure.new_figure(250)
    figure.line(axes, range(3), [known[f"curve.{index}"] for index in range(3)])
    return drawn


def a_map(known):
    run = known.runs[0]
    return charts.heatmap(run["target"], ["ein", "und", "zwei"], run["weights"])


@pytest.fixture
def results(monkeypatch, tmp_path):
    """Records of nobody, and a ledger with a claim that was tested and one that was not."""
    from generators.experiments.transformer.translator import translates

    for module in (record, figure, ledger):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    drawn = {"translation": a_curve, "alignment": a_map}
    monkeypatch.setattr(figures, "FIGURES", drawn)
    for name in drawn:
        write_sealed(tmp_path / "transformer" / f"{name}.json", made_up(name))
    tested = Claim(
        id="A0",
        text="Attention is enough.",
        where="Abstract",
        experiment="transformer.translation",
        rule=Rule(translates, forecast=0.9),
        measured="accuracy:pct",
        superseded=(Rule(lambda known: "does not hold here", forecast=0.5),),
    )
    monkeypatch.setattr(Rule, "hash", property(lambda rule: f"hash of {rule.forecast}"))
    open_claim = Claim(id="A1", text="Scaling helps.", where="Section 3.2.1")
    monkeypatch.setattr(ledger, "claims", lambda paper: [tested, open_claim])
    return tmp_path / "transformer"


def test_draw_writes_once_and_then_finds_nothing_to_do(results):
    assert figure.draw(["transformer"]) == []
    written = {path.name: path.read_bytes() for path in results.iterdir()}
    assert {"translation.svg", "alignment.svg", "claims.json", "claims.md"} <= written.keys()
    assert figure.draw(["transformer"], check=True) == []
    assert figure.draw(["transformer"]) == []
    assert {path.name: path.read_bytes() for path in results.iterdir()} == written


def test_the_ledger_holds_what_the_records_say(results):
    figure.draw(["transformer"])
    tested, untested = read_sealed(results / "claims.json")["claims"]
    assert tested["verdict"] == "holds in part"  # the interval's lower end is below 95 %
    assert tested["measured"].startswith("97 ± 7")
    assert tested["key"] == "transformer.translation.accuracy"
    assert tested["seeds"] == 3
    assert tested["low"] < 0.95 < tested["high"]
    assert "def translates" in tested["rule"]
    assert tested["rule_hash"] == "hash of 0.9"
    assert [old["verdict"] for old in tested["earlier"]] == ["does not hold here"]
    assert untested["verdict"] == "not tested"
    assert untested["measured"] is None
    table = (results / "claims.md").read_text()
    assert "| A0 | Attention is enough. (Abstract) | 0.90 | 97 ± 7" in table
    assert "by an earlier rule: does not hold here" in table


@pytest.mark.parametrize("name", ["alignment.svg", "claims.json", "claims.md"])
def test_check_names_a_file_that_was_changed_by_hand(results, name):
    figure.draw(["transformer"])
    path = results / name
    before = path.read_text()
    path.write_text(before.replace("9", "8", 1))
    (problem,) = figure.draw(["transformer"], check=True)
    assert name in problem
    assert "nox -s figures" in problem
    assert figure.draw(["transformer"]) == []
    assert path.read_text() == before


def test_a_changed_record_makes_its_figure_stale(results):
    figure.draw(["transformer"])
    content = made_up("alignment")
    content["runs"][0]["target"][0] = "three"
    write_sealed(results / "alignment.json", content)
    (problem,) = figure.draw(["transformer"], check=True)
    assert "alignment.svg" in problem


def test_a_missing_record_is_named_with_its_command(results):
    (results / "alignment.json").unlink()
    assert any("nox -s train -- transformer" in problem for problem in figure.draw(["transformer"]))


def test_a_damaged_record_is_not_drawn(results):
    path = results / "alignment.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"question": "another"}))
    with pytest.raises(Damaged, match="alignment"):
        figure.draw(["transformer"])


def test_a_picture_that_nobody_draws_is_named(results):
    figure.draw(["transformer"])
    (results / "old.svg").write_text("<svg/>")
    (problem,) = figure.draw(["transformer"], check=True)
    assert "old.svg" in problem


# Every figure of every paper, from its committed record


def papers_with_figures():
    folder = ROOT / "generators" / "figures"
    files = [*folder.glob("[!_]*.py"), *folder.glob("*/__init__.py")]
    return sorted({file.relative_to(folder).parts[0].removesuffix(".py") for file in files})


FIGURES = {
    f"{paper}.{name}": function
    for paper in papers_with_figures()
    for name, function in importlib.import_module(f"generators.figures.{paper}").FIGURES.items()
}


@functools.cache
def drawn_from_its_record(key):
    paper, _, name = key.partition(".")
    known = figure._record_of(name, paper)
    if known is None:
        pytest.skip(f"no record yet: `nox -s figures -- {paper} --check` names it")
    return FIGURES[key](known)


@pytest.mark.parametrize("key", FIGURES)
def test_a_figure_of_a_paper_is_small_and_fits_a_phone(key):
    text = figure.svg(drawn_from_its_record(key))
    width, height = (float(side) for side in re.search(r'0 0 (\d+) (\d+)"', text).groups())
    assert width == 400
    assert 180 <= height <= 480
    assert len(gzip.compress(text.encode())) <= 12_000
    assert alt_text(key).endswith(".")


@pytest.mark.parametrize("key", FIGURES)
def test_all_of_a_figure_lies_on_its_paper(key):
    drawn = drawn_from_its_record(key)
    height = drawn.get_figheight() * 72
    box = drawn.get_tightbbox(FigureCanvasAgg(drawn).get_renderer())
    left, low, right, high = (72 * side for side in box.extents)
    assert min(left, low) >= -2  # a text's box has some room below its letters
    assert right <= figure.WIDTH + 2
    assert high <= height + 2


@pytest.mark.parametrize("key", FIGURES)
def test_the_words_of_a_figure_are_large_and_apart(key):
    drawn = drawn_from_its_record(key)
    texts = written(drawn)
    assert texts
    assert min(text.get_fontsize() for text in texts) >= figure.SMALL
    renderer = FigureCanvasAgg(drawn).get_renderer()
    level = [(text, text.get_window_extent(renderer)) for text in texts if not text.get_rotation()]
    for (one, its_box), (other, other_box) in itertools.combinations(level, 2):
        across = min(its_box.x1, other_box.x1) - max(its_box.x0, other_box.x0)
        down = min(its_box.y1, other_box.y1) - max(its_box.y0, other_box.y0)
        # A line's box has room above small letters, so lines of a paragraph may share a little of it.
        touch = across > 1 and down > 5
        assert not touch, f"{one.get_text()!r} and {other.get_text()!r} overlap"


def written(drawn):
    """Every text that is drawn: those of ticks only where the axis reaches."""
    drawn.draw_without_rendering()  # ticks get their labels only then
    hidden = set()
    for axes in drawn.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                inside = min(low, high) <= tick.get_loc() <= max(low, high)
                if not (inside and axes.axison):
                    hidden |= {tick.label1, tick.label2}
    texts = [text for text in drawn.findobj(Text) if text.get_text().strip()]
    return [text for text in texts if text not in hidden and text.get_visible()]


@pytest.mark.parametrize("paper", sorted(record.RESULTS.glob("*/")), ids=lambda path: path.name)
def test_every_table_says_what_its_record_says(paper):
    written = {path.stem for path in paper.glob("*.md")} - {"claims"}
    folder = figure.ROOT / "generators" / "figures"
    if not figure._draws(folder, paper.name):
        assert not written
        return
    module = importlib.import_module(f"generators.figures.{paper.name}")
    tables = vars(module).get("TABLES", {})
    assert written == set(tables)
    assert figure._tables(paper.name, tables, check=True) == []
    wrong = {name: lambda known: "something else" for name in tables}
    assert len(figure._tables(paper.name, wrong, check=True)) == len(tables)


def test_a_path_of_small_steps_ends_where_the_absolute_one_did():
    around = "M 10.04 20 L 13.26 24 Q 0 1 -4.5 7.77 C 1 2 3 4 5.58 6 z M 50 50 L 51.23 49 z L 1 1"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt"><path d="{around}"/></svg>'
    told = re.search(r' d="([^"]*)"', slim(svg))[1]
    assert told == ("m10 20l3.3 4q-13.3-23-17.8-16.2c5.5-5.8 7.5-3.8 10.1-1.8zm40 30l1.2-1zl-49-49")
    with pytest.raises(NotAllowed, match="command A"):
        slim(svg.replace("Q 0 1 -4.5", "A 0 1 -4.5"))
