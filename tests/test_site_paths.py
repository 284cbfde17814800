"""What a stranger looks for: every figure with its files, the first evening, the words."""

import re
from dataclasses import replace

import pytest
from num2words import num2words

from generators.files import ROOT
from generators.papers import papers, studies
from generators.site import gallery, gather, pages, parts

GUIDES = ROOT / "docs" / "guides"


@pytest.fixture(scope="module")
def inputs() -> parts.Inputs:
    return gather.gather()


@pytest.fixture(scope="module")
def figures(inputs) -> str:
    return pages.fill(inputs, "figures.md")


def test_every_figure_stands_once_on_the_page_of_figures(figures):
    drawn = [f"{file.parent.name}-{file.stem}" for file in (ROOT / "results").glob("*/*.svg")]
    assert drawn
    assert sorted(re.findall(r'<li id="([^"]+)">', figures)) == sorted(drawn)
    assert figures.count('loading="lazy"') == len(drawn)


def test_a_figure_brings_its_files_its_places_and_the_line_that_cites_it(inputs):
    words = {"notes/gpt2/": FIGURE.format("Two ins *one*.", "Then more."), "posts/gpt2/": ""}
    fork = replace(only_gpt2(inputs, words), extra={**inputs.extra, "site_name": "A fork"})
    made = gallery.gallery(fork, "figures/")
    item = made.partition('<li id="gpt2-hint">')[2].partition("</li>")[0]
    for address in (
        "../results/gpt2/hint.svg",
        "../results/gpt2/hint.png",
        "../results/gpt2/hint.json",
        "../results/gpt2/#hint",
        "../notes/gpt2/#figure-hint",
    ):
        assert f'href="{address}"' in item, address
    assert "posts/" not in item
    assert "<p>Two ins <em>one</em>.</p>" in item
    assert "Then more" not in item
    assert (
        f"“Two ins one”. A fork, {inputs.extra['site_url']}figures/#gpt2-hint. CC BY 4.0." in item
    )
    assert made.index('id="gpt2-hint"') < made.index(
        'id="gpt2-bugs"'
    )  # those of the note come first


def only_gpt2(inputs: parts.Inputs, words: dict[str, str]) -> parts.Inputs:
    """A project with this one paper, about which these texts are written."""
    return replace(
        inputs, papers=[p for p in papers() if p.stem == "gpt2"], studies=[], words=words
    )


FIGURE = "<!--f:gpt2.hint-->\n\n![Alt.](../results/gpt2/hint.svg)\n\n**{}** {}\n\n<!--/f-->"


def test_a_number_in_a_finding_keeps_its_marker_and_loses_it_in_the_citation(inputs):
    said = "Of <!--r:gpt2.hint.n:int-->3<!--/r--> & more"
    words = {"notes/gpt2/": FIGURE.format(said, "")}
    made = gallery.gallery(only_gpt2(inputs, words), "figures/")
    assert "<p>Of <!--r:gpt2.hint.n:int-->3<!--/r--> &amp; more</p>" in made
    assert "“Of 3 &amp; more”" in made


def test_a_figure_whose_model_runs_in_the_note_is_found_where_it_runs(inputs, figures):
    assert 'href="../notes/gpt2/#explorer"' in figures
    still = FIGURE.replace("hint", "explorer").format("Found.", "")
    words = {"notes/gpt2/": still.replace("f:", "l:").replace("/f-", "/l-"), "posts/gpt2/": still}
    made = gallery.gallery(only_gpt2(inputs, words), "figures/")
    assert 'href="../notes/gpt2/#explorer"' in made
    assert 'href="../posts/gpt2/#figure-explorer"' in made


def test_data_of_a_second_figure_are_those_of_its_record(inputs):
    assert parts.record_of(inputs, "gpt1", "table5_parts") == "table5"
    assert parts.record_of(inputs, "gpt1", "nothing") == ""


def test_the_study_paths_name_every_unit_that_is_written(inputs):
    text = pages.fill(inputs, "guides/study-paths.md")
    table = text.partition("<table>")[2].partition("</table>")[0]
    steps = text.partition("## You have a first course behind you")[2].partition("\n## ")[0]
    for paper in papers():
        assert (f">{paper.name}</a>" in table) == (paper.state != "planned"), paper.name
        if paper.state == "whole":  # and its step is written by hand
            assert f"notes/{paper.stem}.md" in steps, f"{paper.stem} has no step in the study paths"
    for study in studies():
        assert (f">{study.name}</a>" in table) == study.note.is_file(), study.name


def test_the_home_page_says_how_many_papers_are_whole(inputs):
    def home(states: dict[str, str]) -> str:
        units = {
            paper.stem: parts.Unit(front={"state": states[paper.stem]})
            if paper.stem in states
            else parts.Unit()
            for paper in inputs.papers
        }
        return pages.fill(replace(inputs, units=units, records={}, claims=[]), "index.md")

    listed = f"{num2words(len(papers())).capitalize()} papers, "
    assert f"{listed}none of them whole so far." in home({"resnet": "draft"})
    assert f"{listed}two of them whole so far." in home({"resnet": "whole", "gpt1": "whole"})


def test_the_glossary_is_sorted_and_has_no_word_twice():
    text = (GUIDES / "glossary.md").read_text(encoding="utf-8")
    words = []
    for section in text.split("\n## ")[1:]:
        here = [word.casefold() for word in re.findall(r"^\*\*(.+?)\.\*\*", section, re.M)]
        assert here == sorted(here), section.partition("\n")[0]
        words += here
    assert len(words) > 100
    assert len(set(words)) == len(words)
