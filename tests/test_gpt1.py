"""What must be true of `implementations/gpt1.py`: vocabulary, mask, tasks as sequences, fine-tuning, errors."""

import dataclasses
from collections import Counter
from itertools import pairwise

import pytest
import torch
from few_steps import learns
from gpt_cases import (
    CONFIG,
    CONTEXT,
    HOSTILE,
    B,
    T,
    V,
    assert_no_token_changes_the_past,
    randomised,
    tokens,
)
from torch.nn import functional as F

from implementations.gpt1 import (
    GPT1,
    PAPER,
    BytePairs,
    FineTuned,
    Special,
    apply_merges,
    batch_of,
    classification,
    entailment,
    fine_tuning_loss,
    learn_merges,
    merge,
    multiple_choice,
    next_token_loss,
    similarity,
    spell,
)

# Byte pair encoding ----------------------------------------------------------------------------

TEXTS = [
    "the lower the newer the wider, the widest; and the lowest is the newest of them all.",
    "aaaa aaa aa a, banana bandana ananas. abababab",
    "a matrix of matrices: matrix(matrix), matrix.T, [matrix]",
] * 2


def printed_algorithm(words: Counter, n_merges: int) -> list:
    """Algorithm 1 of Sennrich et al. as it is printed: count all pairs, merge the most frequent, begin again."""
    vocabulary = dict(words)
    merges = []
    for _ in range(n_merges):
        pairs: Counter = Counter()
        for word, count in vocabulary.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs or max(pairs.values()) < 2:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        vocabulary = {tuple(merge(word, best)): count for word, count in vocabulary.items()}
    return merges


@pytest.mark.parametrize("n_merges", [0, 1, 30, 500])
def test_learnt_merges_equal_those_of_the_printed_algorithm(n_merges):
    words = Counter(word for text in TEXTS for word in spell(text))
    ours = learn_merges(words, n_merges)
    assert ours == printed_algorithm(words, n_merges)
    assert len(ours) == min(n_merges, 500) or len(ours) > 50  # until no pair is left twice


def test_learnt_merges_equal_the_printed_ones_on_random_words():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        words: Counter = Counter()
        for _ in range(30):
            letters = torch.randint(3, (int(torch.randint(1, 9, (), generator=generator)),))
            words["".join("abc"[letter] for letter in letters)] += 1
        spelt = Counter({tuple(word): count for word, count in words.items()})
        assert learn_merges(spelt, 40) == printed_algorithm(spelt, 40)


def test_merges_are_applied_in_the_order_in_which_they_were_learnt():
    """Left to right would give `ab c`; by rank `b c` goes first."""
    assert apply_merges("abc", {("b", "c"): 0, ("a", "b"): 1}) == ["a", "bc"]
    assert apply_merges("aaaa", {("a", "a"): 0}) == ["aa", "aa"]
    assert apply_merges("xyz", {("a", "a"): 0}) == ["x", "y", "z"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_over_known_characters_is_read_back(text):
    vocabulary = BytePairs.learn(TEXTS, 60, special=["<start>"])
    tokens = vocabulary.encode(f"  {text}\n\t {text} ")
    assert vocabulary.decode(tokens) == f"{text} {text}"
    assert len(tokens) < len(text) * 2


def test_a_character_may_end_a_word_that_never_ended_one():
    vocabulary = BytePairs.learn(["abc abc"], 0)
    assert vocabulary.decode(vocabulary.encode("a b cab")) == "a b cab"
    assert 0 not in vocabulary.encode("a b cab")


def test_an_unknown_character_is_token_zero_and_only_that():
    vocabulary = BytePairs.learn(TEXTS, 20)
    known = vocabulary.encode("the")
    assert vocabulary.encode("ж") == [0]
    assert vocabulary.encode("the ж the") == [*known, 0, *known]
    for text in HOSTILE:
        assert all(0 <= token < len(vocabulary) for token in vocabulary.encode(text))


def test_special_tokens_are_never_made_from_text():
    vocabulary = BytePairs.learn([*TEXTS, "<start> <unk>"], 10, special=["<start>", "<extract>"])
    assert vocabulary.symbols[:3] == ["<unk>", "<start>", "<extract>"]
    assert not {1, 2} & set(vocabulary.encode("<start> <extract>"))


def test_more_merges_never_need_more_tokens():
    """Each of the first n merges is among the first n + k, so a word can only get shorter."""
    lengths = [
        sum(len(BytePairs.learn(TEXTS, n).encode(text)) for text in TEXTS) for n in range(0, 60, 6)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 1.5 * lengths[-1]


def test_less_than_no_merges_are_refused():
    with pytest.raises(ValueError, match="-1 merges"):
        learn_merges({("a", "b"): 3}, -1)


# The network -----------------------------------------------------------------------------------


def test_the_future_does_not_change_the_past(exact):
    assert_no_token_changes_the_past(randomised(GPT1(CONFIG)))


def test_order_matters_because_positions_are_learned(exact):
    model = randomised(GPT1(CONFIG))
    given = torch.full((1, 3), 5)
    with_positions = model(given)[0]
    assert (with_positions[0] - with_positions[2]).abs().max() > 1e-3
    model.positions.weight.data.zero_()
    without = model(given)[0]
    assert (without[0] - without[2]).abs().max() < 1e-12


def test_each_layers_output_is_normalised(exact):
    """Post-norm: what leaves a block has mean 0 and variance 1 when the last gain is 1."""
    model = GPT1(CONFIG)
    features = model.features(tokens())
    assert features.mean(dim=-1).abs().max() < 1e-12
    assert (features.var(dim=-1, correction=0) - 1).abs().max() < 1e-2


def test_weights_start_at_002_at_the_papers_width_and_in_proportion_elsewhere():
    torch.manual_seed(0)
    wide = GPT1(dataclasses.replace(PAPER, vocab_size=500, n_layers=1, context=64))
    narrow = GPT1(dataclasses.replace(CONFIG, d_model=48, d_ff=192, n_heads=4, vocab_size=2000))
    for model, deviation in ((wide, 0.02), (narrow, 0.08)):
        matrices = {name: p for name, p in model.named_parameters() if p.ndim > 1}
        assert len(matrices) == 2 + 6 * len(model.blocks)
        for name, matrix in matrices.items():
            tolerance = 4 * deviation / matrix.numel() ** 0.5
            assert abs(matrix.std().item() - deviation) < tolerance, name
    for name, weight in wide.named_parameters():
        if name.endswith("bias"):
            assert not weight.any(), name


def test_dropout_falls_on_attention_sums_and_embeddings_and_only_in_training(exact):
    model = randomised(GPT1(dataclasses.replace(CONFIG, dropout=0.5)))
    given = tokens()
    assert model(given).equal(model(given))
    places = {
        "attention": [block.attention.dropout for block in model.blocks],
        "sums": [
            part.dropout for b in model.blocks for part in (b.add_attention, b.add_feed_forward)
        ],
        "embeddings": [model.dropout],
    }
    model.train()
    for chosen in places.values():
        for parts in places.values():
            for part in parts:
                part.p = 0.5 if parts is chosen else 0.0
        assert not model(given).equal(model(given))
    for parts in places.values():
        for part in parts:
            part.p = 0.0
    assert model(given).equal(model(given))


def test_too_many_tokens_are_refused():
    with pytest.raises(ValueError, match="12 tokens exceed the context of 11"):
        GPT1(CONFIG)(tokens(length=CONTEXT + 1))


# The loss --------------------------------------------------------------------------------------


def test_the_loss_of_no_opinion_is_log_v_and_the_first_token_does_not_count(exact):
    given = tokens()
    logits = torch.zeros(B, T, V)
    assert next_token_loss(logits, given).exp().item() == pytest.approx(V)
    sure = F.one_hot(given[:, 1:], V) * 50.0
    assert next_token_loss(torch.cat([sure, torch.zeros(B, 1, V)], dim=1), given).item() < 1e-9


def test_what_fills_a_batch_up_counts_nowhere(exact):
    """Neither in the loss, nor in the scores, whatever stands there."""
    model = FineTuned(randomised(GPT1(CONFIG)), n_outputs=3, dropout=0.0)
    given, real = batch_of([[1, 2, 3, 4, 5], [6, 7, 8]], CONTEXT)
    other = torch.where(real, given, 11)
    losses = []
    for batch in (given, other):
        scores, logits = model(batch, real)
        losses.append(fine_tuning_loss(scores, torch.tensor([0, 2]), logits, batch, real))
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-12)
    alone = [
        next_token_loss(model.model(torch.tensor([row])), torch.tensor([row]))
        for row in ([1, 2, 3, 4, 5], [6, 7, 8])
    ]
    together = next_token_loss(model(given, real)[1], given, real)
    assert together.item() == pytest.approx((4 * alone[0] + 2 * alone[1]).item() / 6)


def test_the_auxiliary_loss_is_weighted(exact):
    scores, labels = torch.randn(2, 3), torch.tensor([1, 2])
    given, real = batch_of([[1, 2, 3], [4, 5]], CONTEXT)
    logits = torch.randn(2, 3, V)
    arguments = (scores, labels, logits, given, real)
    task = fine_tuning_loss(*arguments, weight=0.0)
    assert task.item() == pytest.approx(F.cross_entropy(scores, labels).item())
    language = next_token_loss(logits, given, real)
    assert fine_tuning_loss(*arguments).item() == pytest.approx((task + 0.5 * language).item())


# Tasks as sequences ----------------------------------------------------------------------------

SPECIAL = Special(start=20, delimiter=21, extract=22)


def test_tasks_are_framed_as_figure_1_shows():
    assert classification([1, 2], SPECIAL) == [20, 1, 2, 22]
    assert entailment([1], [2, 3], SPECIAL) == [20, 1, 21, 2, 3, 22]
    assert similarity([1], [2, 3], SPECIAL) == [[20, 1, 21, 2, 3, 22], [20, 2, 3, 21, 1, 22]]
    assert multiple_choice([1, 2], [[3], [4, 5]], SPECIAL) == [
        [20, 1, 2, 21, 3, 22],
        [20, 1, 2, 21, 4, 5, 22],
    ]


def test_the_scores_come_from_the_last_real_token(exact):
    model = FineTuned(randomised(GPT1(CONFIG)), n_outputs=3)
    model.eval()
    given, real = batch_of([[20, 1, 2, 22], [20, 3, 22]], CONTEXT)
    scores, _ = model(given, real)
    for row, length in enumerate((4, 3)):
        features = model.model.features(given[row : row + 1, :length])
        assert (features[:, -1] @ model.head.weight.T - scores[row]).abs().max() < 1e-12


def test_similarity_does_not_know_which_text_is_the_first(exact):
    model = FineTuned(randomised(GPT1(CONFIG)), n_outputs=1)
    model.eval()
    orders = similarity([1, 2, 3], [4], SPECIAL)
    (one, real), (other, _) = (batch_of([order], CONTEXT) for order in orders)
    assert model.similarity(one, other, real).equal(model.similarity(other, one, real))
    assert (model(one, real)[0] - model(other, real)[0]).abs().max() > 1e-3


def test_an_answers_score_does_not_depend_on_the_other_answers(exact):
    model = FineTuned(randomised(GPT1(CONFIG)), n_outputs=1)
    model.eval()

    def scores(answers):
        given, real = batch_of(multiple_choice([1, 2], answers, SPECIAL), CONTEXT)
        return model.choose(given[None], real[None])[0]

    both, alone = scores([[3], [4, 5, 6]]), scores([[3]])
    assert (both[0] - alone[0]).abs() < 1e-12


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "needs sequences"),
        ([[1], []], "each of them a token"),
        ([[1] * (CONTEXT + 1)], "12 tokens exceeds the context of 11"),
    ],
)
def test_what_is_no_batch_is_refused(sequences, message):
    with pytest.raises(ValueError, match=message):
        batch_of(sequences, CONTEXT)


# It learns -------------------------------------------------------------------------------------


def test_it_learns_to_copy_across_a_distance_and_one_that_sees_itself_alone_does_not():
    """The second half of a row repeats the first, so all of it can be known, from tokens four places back."""
    config = dataclasses.replace(CONFIG, d_model=24, n_heads=4, d_ff=48, context=10)
    generator = torch.Generator().manual_seed(1)

    def batch():
        return torch.randint(V, (32, 5), generator=generator).repeat(1, 2)

    def known(visible):
        torch.manual_seed(0)
        model = GPT1(config)
        model.visible &= visible
        learns(
            model, batch, lambda model, rows: next_token_loss(model(rows), rows), steps=150, lr=1e-2
        )
        rows = batch()  # of 23^5, none that it has met
        guesses = model.eval()(rows)[:, 4:-1].argmax(dim=-1)
        return (guesses == rows[:, 5:]).double().mean().item()

    assert known(torch.ones(10, 10, dtype=torch.bool)) > 0.9
    assert known(torch.eye(10, dtype=torch.bool)) < 0.2
