"""What the experiments on sizes, hints and depth do to GPT-2 and to its texts is what they say, and nothing else."""

import math
import re

import pytest
import smoke_runs
import torch
from torch import nn

from generators.data import NAMES, held_out, in_words
from generators.experiment import FAILS, HOLDS, IN_PART, TOO_SMALL
from generators.experiments.gpt2 import corpus, depth, hint, sizes
from generators.record import Record
from implementations.gpt1 import GPT1
from implementations.gpt2 import GPT2, ByteTokenizer
from implementations.transformer import TransformerConfig

CONFIG = TransformerConfig(512, d_model=16, n_heads=2, d_ff=32, n_layers=3, dropout=0.0, context=8)


@pytest.fixture(autouse=True)
def _unchecked():
    """Shapes are not checked at each call: the merges of a large text would take as long again."""
    with smoke_runs.unchecked():
        yield


def seeded(make, *arguments):
    """A model made from seed 5."""
    torch.manual_seed(5)
    return make(*arguments)


# Texts -----------------------------------------------------------------------------------------------------


def test_windows_come_from_everywhere_in_a_text():
    torch.manual_seed(0)
    rows = torch.cat([next(corpus.windows(torch.arange(12), 4, 10)) for _ in range(20)])
    assert {tuple(row) for row in rows.tolist()} == {
        tuple(range(start, start + 10)) for start in range(3)
    }


def test_rows_overlap_by_one_token_and_are_spread_over_the_corpus():
    whole = corpus.joined(corpus.CORPORA["licence"]())
    rows = corpus.test_rows("licence", 64, 10**6)
    read = torch.cat([rows[:1, 0], rows[:, 1:].flatten()])
    assert torch.equal(read, whole[: len(read)])
    assert 0 <= len(whole) - len(read) < 63
    few = corpus.test_rows("licence", 64, 5)
    assert torch.equal(few[[0, -1]], rows[[0, -1]])
    assert len(few) == 5


def test_every_text_is_followed_by_its_end_and_can_be_read_back():
    known = corpus.vocabulary()
    assert len(known) == 512
    tokens = corpus.joined(["für alle", "n"]).tolist()
    first, second = (place for place, token in enumerate(tokens) if token == known.end_of_text)
    assert known.decode(tokens[:first]) == "für alle"
    assert second == len(tokens) - 1


def test_source_code_keeps_its_comments_and_loses_its_docstrings():
    source = (
        '"""A\nmodule."""\nx = "no docstring"  # why\n\n\ndef f():\n    """One."""\n    return 1\n'
    )
    assert (
        corpus.without_docstrings(source)
        == '\nx = "no docstring"  # why\n\n\ndef f():\n    return 1\n'[1:]
    )
    assert not any('"""\n' in text.partition("\ndef ")[0][:80] for text in corpus.source_code())


def test_an_even_guess_costs_the_logarithm_of_the_vocabulary_at_each_token_and_ends_count_nothing():
    model = seeded(GPT2, CONFIG)
    nn.init.zeros_(model.tokens.weight)  # tied: all logits are 0
    end = corpus.vocabulary().end_of_text
    tokens = corpus.joined(["A test of bytes: größer."])[:8]
    tokens[3] = end
    bits, counts = corpus.surprises(model, tokens[None])
    assert bits.tolist() == pytest.approx([9.0] * 6)
    text = [token for token in tokens[1:].tolist() if token != end]
    assert counts.sum() == sum(len(corpus.vocabulary().symbols[token]) for token in text)


def test_a_surprise_belongs_to_the_token_behind_what_was_read():
    model = seeded(GPT2, CONFIG)
    row = corpus.test_rows("unseen", 8, 3)[1:2]
    bits, _ = corpus.surprises(model, row)
    for place in (1, 4, 7):
        alone = model(row[:, :place])[0, -1].softmax(dim=-1)[row[0, place]].log2().item()
        assert bits[place - 1].item() == pytest.approx(-alone, rel=1e-4)


def test_frequencies_cost_the_entropy_of_the_text_they_were_counted_in():
    bits = corpus.frequency_bits()
    assert (2**-bits).sum().item() == pytest.approx(1, abs=1e-5)
    shares = torch.bincount(corpus.training_tokens(), minlength=512).double()
    shares = shares[shares > 0] / shares.sum()
    entropy = -(shares * shares.log2()).sum().item()
    assert bits[corpus.training_tokens()].mean().item() == pytest.approx(entropy, abs=1e-3)


def test_a_curve_is_made_of_means():
    assert corpus.means([1.0, 3.0, 5.0, 7.0, 100.0], 2) == [2.0, 6.0]


# Sizes -----------------------------------------------------------------------------------------------------


def test_a_line_through_points():
    slope, straight = sizes.line([1.0, 2.0, 4.0], [5.0, 3.0, -1.0])
    assert (slope, straight) == pytest.approx((-2.0, 1.0))
    slope, straight = sizes.line([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 0.0, 1.0])
    assert (slope, straight) == pytest.approx((0.2, 0.2))


def test_all_sizes_read_the_same_rows_and_have_heads_of_one_width(monkeypatch):
    read = []

    def kept(tokens, batch, context):
        for rows in corpus.windows(tokens, batch, context):
            read.append(rows)
            yield rows

    monkeypatch.setattr(sizes, "windows", kept)
    how = dict(n_layers=1, context=8, batch=2, steps=2, warmup=1, lr=1e-3)
    for width in (16, 32):
        model, losses = sizes.trained(3, width, **how)
        assert model.config.d_model // model.config.n_heads == 16
        assert len(losses) == 2
    assert torch.equal(torch.stack(read[:2]), torch.stack(read[2:]))


def test_who_is_behind_is_counted_token_by_token(monkeypatch):
    bits = {16: [1.0, 4.0, 2.0, 8.0], 32: [2.0, 3.0, 2.0, 1.0]}
    monkeypatch.setattr(sizes, "trained", lambda seed, width, **how: (FakeSize(width), [0.0] * 4))
    monkeypatch.setattr(
        sizes, "surprises", lambda model, rows: (torch.tensor(bits[model.width]), torch.ones(4))
    )
    found = sizes.sizes(0, [16, 32], rows=2, points=2, lr=1e-3, context=8)
    assert found["behind"] == {"16_to_32": 0.25}
    assert found["gain"]["code"]["16_to_32"] == pytest.approx(15 / 4 - 8 / 4)


class FakeSize(nn.Linear):
    """A model that only knows how wide it is."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        self.width = width


# Depth -----------------------------------------------------------------------------------------------------


def test_the_untouched_arms_are_the_papers_models():
    assert depth.MODELS["post"] is depth.MODELS["post_warm"] is GPT1
    assert depth.MODELS["pre"] is GPT2


@pytest.mark.parametrize(
    ("arm", "whole", "factor"),
    [("post_scaled", GPT1, 1 / math.sqrt(6)), ("pre_unscaled", GPT2, math.sqrt(6))],
)
def test_an_arm_differs_in_the_last_matrix_of_each_branch_and_nowhere_else(arm, whole, factor):
    mine, theirs = seeded(depth.MODELS[arm], CONFIG), seeded(whole, CONFIG)
    assert type(mine) is whole
    for (name, weight), other in zip(
        mine.named_parameters(), theirs.state_dict().values(), strict=True
    ):
        last = re.search(r"(attention\.output|feed_forward\.contract)\.weight$", name)
        assert torch.allclose(weight, (factor if last else 1) * other, rtol=1e-5), name


def test_without_residual_initialisation_gpt_2_starts_with_gpt_1s_matrices():
    mine, theirs = seeded(depth.MODELS["pre_unscaled"], CONFIG), seeded(GPT1, CONFIG)
    found = [
        sorted(p.detach().abs().sum().item() for p in each.parameters() if p.ndim > 1)
        for each in (mine, theirs)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_rate_is_fixed_from_the_first_step_unless_it_warms_up():
    assert [depth.fixed(0.2, 0)(step) for step in (1, 2, 99)] == [0.2] * 3
    assert [depth.fixed(0.2, 4)(step) for step in (1, 2, 4, 99)] == pytest.approx(
        [0.05, 0.1, 0.2, 0.2]
    )


def test_an_overflow_ends_the_course_and_counts_as_an_even_guess(monkeypatch):
    assert len(depth.course(seeded(GPT2, CONFIG), 8, 2, 5, lambda step: math.inf)) == 1
    monkeypatch.setattr(depth, "course", lambda *given: [4.0, 50.0])
    found = depth.depth(0, 8, 2, 10, 2, 5, 1e-3, d_model=8, n_heads=2, d_ff=8, n_layers=1)
    assert set(found["loss"].values()) == {9.0}
    assert found["curves"]["pre"] == [6.5, 9.0, 9.0, 9.0, 9.0]


# Hint ------------------------------------------------------------------------------------------------------


def test_numbers_kept_for_the_test_stand_nowhere_in_the_text():
    known, tokens = hint.running_text(300, 3000, 0.9, 0.75)
    lines = known.decode(tokens.tolist()).splitlines()
    asked = [line.partition(":")[0] for line in lines if re.search(r"^[a-z -]+( in \w+)?: ", line)]
    told = [line.rpartition(" in ") for line in asked if line.rpartition(" in ")[1]]
    assert len(told) / len(asked) == pytest.approx(0.75, abs=0.03)
    assert {name for _, _, name in told} == {NAMES[code] for code in hint.LANGUAGES}
    numbers = {in_words(number, "en"): number for number in range(300)}
    seen = {
        numbers[text.partition(" in ")[0]] for text in asked if text.partition(" in ")[0] in numbers
    }
    assert len(seen) > 250
    assert not any(held_out(number) for number in seen)


def test_what_stands_behind_a_hint_is_the_translation():
    assert hint.hinted(21, "German") + hint.answer(21, "de") == (
        "twenty-one in German: einundzwanzig.\n"
    )
    assert hint.bare(21) + hint.answer(21, "fr") == "twenty-one: vingt et un.\n"


class Oracle(nn.Module):
    """Gives the next token of its own input, but for the second one behind each colon of an even row if it errs."""

    def __init__(self, known: ByteTokenizer, errs: bool) -> None:
        super().__init__()
        self.config = CONFIG
        self.known, self.errs = known, errs

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """A lead of 20 nats for the right token."""
        following = rows.roll(-1, dims=1)
        if self.errs:
            colon = self.known.number[b":"]
            for row in range(0, len(rows), 2):
                following[row, rows[row].tolist().index(colon) + 1] = 0
        return 20.0 * torch.nn.functional.one_hot(following, len(self.known))


def test_an_answer_is_right_if_each_of_its_tokens_is_the_likeliest(monkeypatch):
    monkeypatch.setitem(vars(hint), "batch_of", lambda rows, context: batch_of(rows, 1000))
    known = ByteTokenizer([])
    prompts, answers = ["a:", "bb:", "c:"], [" xy\n", " z\n", " w\n"]
    right, bits = hint.answered(Oracle(known, False), known, prompts, answers)
    assert (right, bits) == pytest.approx((1.0, 0.0), abs=1e-5)
    right, bits = hint.answered(Oracle(known, True), known, prompts, answers)
    assert right == pytest.approx(1 / 3)
    assert bits == pytest.approx(2 * 20 / math.log(2) / 10, rel=1e-4)  # ten bytes of answers


def batch_of(rows, context):
    """Rows filled up with zeros."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows]), None


def test_means_by_what_stood_before_the_answer():
    plain = {"de": 0.9, "fr": 0.1, "da": 0.2}
    found = {
        "none": {"de": 0.3, "fr": 0.3, "da": 0.6},
        **{code: {**dict.fromkeys(hint.LANGUAGES, 0.2), code: plain[code]} for code in plain},
        **{f"{code}_cut": dict.fromkeys(hint.LANGUAGES, 0.5) for code in plain},
        **{f"{code}_small": dict.fromkeys(hint.LANGUAGES, 0.7) for code in plain},
    }
    expected = {"with": 0.4, "cut": 0.5, "small": 0.7, "without": 0.4, "wrong": 0.2}
    assert hint.by_hint(found) == pytest.approx(expected)


# Rules -----------------------------------------------------------------------------------------------------


def record(runs: list[dict]) -> Record:
    """Runs as a record."""
    return Record({"paper": "gpt2", "name": "x", "runs": runs})


def size_runs(straight: float = 0.99, **gains: float) -> Record:
    """Three runs in which each step gains 0.3 everywhere, unless a corpus has its own; the ends three times."""
    return record(
        [
            {
                "line": straight,
                "gain": {
                    name: {
                        **dict.fromkeys(sizes.STEPS, gains.get(name, 0.3) + noise),
                        sizes.ENDS: 3 * gains.get(name, 0.3) + noise,
                    }
                    for name in corpus.CORPORA
                },
            }
            for noise in (-0.01, 0.0, 0.01)
        ]
    )


def test_the_rules_on_sizes():
    assert sizes.larger_is_better(size_runs()) == HOLDS
    assert sizes.larger_is_better(size_runs(straight=0.9)) == IN_PART
    assert sizes.larger_is_better(size_runs(held_out=0.01)) == FAILS
    assert sizes.better_everywhere(size_runs(held_out=-1.0)) == HOLDS
    assert sizes.better_everywhere(size_runs(german=-0.1)) == IN_PART
    assert sizes.better_everywhere(size_runs(german=-0.1, english=0, code=0)) == FAILS
    assert sizes.nothing_abroad(size_runs(german=-0.1)) == HOLDS
    assert sizes.nothing_abroad(size_runs()) == FAILS


def deep(**changed: float) -> Record:
    """Three runs with clear differences, some of them changed."""
    usual = {"learnt": 0.5, "unscaled": 0.2, "scaled": 0.2, "papers": 0.3}
    found = {
        **usual,
        "post": 0.2,
        "pre": 0.2,
        "over_warmed": 0.2,
        "learnt_unscaled": 0.3,
        **changed,
    }
    return record(
        [
            {
                "learnt": {
                    "pre": found["learnt"] + noise,
                    "pre_unscaled": found["learnt_unscaled"] + noise,
                },
                "norm_first": {start: found[start] + noise for start in list(usual)[1:]},
                "scaled": {place: found[place] + noise for place in ("post", "pre")},
                "scaled_over_warmed": found["over_warmed"] + noise,
            }
            for noise in (-0.01, 0.0, 0.01)
        ]
    )


def test_the_rules_on_depth():
    assert depth.pre_trains_deep(deep()) == HOLDS
    assert depth.pre_trains_deep(deep(scaled=0.0)) == IN_PART
    assert depth.pre_trains_deep(deep(scaled=0.0, papers=0.0)) == FAILS
    assert depth.pre_trains_deep(deep(learnt=0.01)) == TOO_SMALL
    assert depth.small_start_not_warmup(deep()) == HOLDS
    assert depth.small_start_not_warmup(deep(over_warmed=0.0)) == IN_PART
    assert depth.small_start_not_warmup(deep(post=0.0)) == FAILS
    assert depth.scaling_is_necessary(deep(learnt_unscaled=0.0)) == HOLDS
    assert depth.scaling_is_necessary(deep()) == IN_PART
    assert depth.scaling_is_necessary(deep(pre=0.0)) == FAILS


def asked(right: float = 0.6, over_none: float = 0.4, over_wrong: float = 0.5, cut: float = 0.0):
    """Three runs of the hint."""
    return record(
        [
            {
                "share_right": {"with": right},
                "switches": over_none + noise,
                "better_than_wrong": over_wrong + noise,
                "misspelt_helps": cut + noise,
                "misspelt_costs": over_none - cut + noise,
            }
            for noise in (-0.01, 0.0, 0.01)
        ]
    )


def test_the_rules_on_hints():
    assert hint.hint_switches(asked()) == HOLDS
    assert hint.hint_switches(asked(over_none=0.11)) == IN_PART
    assert hint.hint_switches(asked(over_none=0.11, over_wrong=0.0)) == FAILS
    assert hint.hint_switches(asked(right=0.05)) == TOO_SMALL
    assert hint.a_letter_missing(asked()) == HOLDS
    assert hint.a_letter_missing(asked(cut=0.3)) == IN_PART
    assert hint.a_letter_missing(asked(cut=0.4)) == FAILS


def test_a_whole_name_is_other_tokens_than_a_cut_one():
    tokens = smoke_runs.first_run("gpt2", "hint")["tokens"]
    assert tokens.keys() == {NAMES[code][:end] for code in hint.LANGUAGES for end in (None, -1)}
