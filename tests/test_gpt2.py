"""What must be true of `implementations/gpt2.py`: bytes, norms and start, cache, sampling, errors."""

import dataclasses
import math

import pytest
import torch
from few_steps import learns
from gpt_cases import (
    CONFIG,
    CONTEXT,
    HOSTILE,
    V,
    assert_no_token_changes_the_past,
    random_texts,
    randomised,
    tokens,
)
from torch import nn

from implementations import gpt2
from implementations.gpt1 import next_token_loss
from implementations.gpt2 import (
    GPT2,
    SPLIT,
    ByteTokenizer,
    Cache,
    Generation,
    generate,
    next_token,
    nucleus,
    top_k,
)
from implementations.transformer import TransformerConfig

# Bytes -----------------------------------------------------------------------------------------

CORPUS = [
    "The tokens of a text are the bytes of the text, the merges of the bytes.",
    "don't can't won't it's 1000 2000 3000 über über café café 北京 北京",
    "dog. dog! dog? dog, (dog) dog's",
] * 3
TOKENIZER = ByteTokenizer.learn(CORPUS, 50)


@pytest.mark.parametrize("text", [*CORPUS[:3], *HOSTILE], ids=ascii)
def test_every_text_is_read_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_random_texts_are_read_back_and_random_tokens_are_some_text():
    for text in random_texts(500):
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        drawn = torch.randint(len(TOKENIZER), (20,), generator=generator).tolist()
        assert isinstance(TOKENIZER.decode(drawn), str)


def test_no_merge_crosses_from_letters_to_anything_else():
    kinds = (str.isalpha, str.isdigit, lambda text: not any(c.isalnum() or c == " " for c in text))
    for first, second in TOKENIZER.merges:
        text = (first + second).decode(errors="replace").removeprefix(" ").replace("\ufffd", "")
        contraction = text in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
        assert not text or contraction or any(kind(text) for kind in kinds), (first, second)


def test_without_the_pattern_merges_do_cross():
    free = ByteTokenizer.learn(CORPUS, 80, pattern=r"(?s).+")
    joined = [(first + second).decode(errors="replace") for first, second in free.merges]
    assert any(any(c.isalpha() for c in text) and not text.strip().isalpha() for text in joined)
    assert free.decode(free.encode("any text 北京")) == "any text 北京"


def test_capital_contractions_are_cut_differently_as_in_the_released_pattern():
    cut = gpt2.regex.compile(SPLIT).findall
    assert cut("I've") == ["I", "'ve"]
    assert cut("I'VE") == ["I", "'", "VE"]


def test_the_vocabulary_counts_bytes_merges_and_the_end():
    assert len(TOKENIZER) == 256 + 50 + 1
    assert TOKENIZER.decode([TOKENIZER.end_of_text]) == "<|endoftext|>"
    assert TOKENIZER.end_of_text not in TOKENIZER.encode("<|endoftext|>")
    assert len(set(TOKENIZER.symbols)) == len(TOKENIZER)


def test_merges_go_by_rank_not_from_left_to_right():
    tokenizer = ByteTokenizer([(b"b", b"c"), (b"a", b"b")])
    assert [tokenizer.symbols[token] for token in tokenizer.encode("abc")] == [b"a", b"bc"]


# The network -----------------------------------------------------------------------------------


def test_the_future_does_not_change_the_past(exact):
    assert_no_token_changes_the_past(randomised(GPT2(CONFIG)))


def test_the_sum_is_never_normalised_and_the_last_norm_is(exact):
    """Norms stand inside the branches: with the branches' outputs at zero, the embeddings pass through unchanged."""
    model = randomised(GPT2(CONFIG))
    for block in model.blocks:
        for last in (block.attention.output, block.feed_forward.contract):
            last.weight.data.zero_()
            last.bias.data.zero_()
    model.norm.gain.data.fill_(1.0)
    model.norm.bias.data.zero_()
    given = tokens()
    stream = model.embed(given)
    for block in model.blocks:
        stream = block(stream, None)
    assert stream.equal(model.embed(given))
    features = model.features(given)
    assert features.mean(dim=-1).abs().max() < 1e-12
    expected = nn.functional.layer_norm(stream, stream.shape[-1:])
    assert (features - expected).abs().max() < 1e-12


def test_only_the_last_matrices_of_the_branches_start_smaller():
    """By the square root of the number of branches, two for each block; all others as in GPT-1."""
    torch.manual_seed(0)
    config = dataclasses.replace(
        CONFIG, d_model=48, n_heads=4, d_ff=192, vocab_size=500, n_layers=8
    )
    model = GPT2(config)
    deviation = 0.02 * math.sqrt(768 / 48)
    small = ("attention.output.weight", "feed_forward.contract.weight")
    seen = 0
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            expected = deviation / math.sqrt(16) if name.endswith(small) else deviation
            seen += name.endswith(small)
            tolerance = 4 * expected / weight.numel() ** 0.5
            assert abs(weight.std().item() - expected) < tolerance, name
    assert seen == 16


def test_dropout_falls_in_training_only(exact):
    model = randomised(GPT2(dataclasses.replace(CONFIG, dropout=0.5)))
    given = tokens()
    assert model(given).equal(model(given))
    model.train()
    assert not model(given).equal(model(given))


@pytest.mark.parametrize("length", [CONTEXT + 1, 3 * CONTEXT])
def test_too_many_tokens_are_refused(length):
    with pytest.raises(ValueError, match=f"{length} tokens exceed the context of 11"):
        GPT2(CONFIG)(tokens(length=length))


# The cache -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [[1] * CONTEXT, [4, 1, 1, 5], [CONTEXT], [2, 7, 2]], ids=str)
def test_the_cache_changes_no_logit(exact, cut):
    """However a text is cut: one token at a time, several at once, all of it."""
    model = randomised(GPT2(CONFIG))
    given = tokens(length=CONTEXT)
    whole = model(given)
    under_way = Generation(model)
    place = 0
    for part in cut:
        logits = under_way.step(given[:, place : place + part])
        place += part
        assert (logits - whole[:, place - 1]).abs().max() < 1e-12


def test_every_position_behind_a_cache_is_right_not_only_the_last(exact):
    model = randomised(GPT2(CONFIG))
    given = tokens(length=9)
    caches = [Cache() for _ in model.blocks]
    parts = [model.features(given[:, :4], caches), model.features(given[:, 4:], caches)]
    assert (torch.cat(parts, dim=1) - model.features(given)).abs().max() < 1e-12


def test_a_cache_grows_beyond_its_room(exact):
    config = dataclasses.replace(CONFIG, context=300)
    model = randomised(GPT2(config))
    given = torch.randint(V, (1, 300))
    under_way = Generation(model)
    under_way.step(given[:, :10])
    for place in range(10, 300):
        logits = under_way.step(given[:, place : place + 1])
    assert (logits - model(given)[:, -1]).abs().max() < 1e-11
    assert under_way.caches[0].length == 300


def test_a_text_under_way_does_not_feel_what_happens_to_the_model_and_does_nothing_to_it(exact):
    model = randomised(GPT2(CONFIG)).train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    under_way = Generation(model)
    given = tokens(length=3)
    assert model.training
    first = Generation(model).step(given)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert under_way.step(given).equal(first)
    model.load_state_dict(before)
    assert all(weight.is_contiguous() for weight in model.parameters())


def test_the_cache_refuses_more_than_the_context():
    under_way = Generation(GPT2(CONFIG))
    under_way.step(tokens(length=CONTEXT))
    with pytest.raises(ValueError, match="12 tokens exceed the context of 11"):
        under_way.step(tokens(length=1))


# Sampling --------------------------------------------------------------------------------------

LOGITS = torch.tensor([[0.5, 0.2, 0.15, 0.1, 0.05]], dtype=torch.float64).log()


def test_what_is_left_after_top_k_and_nucleus_is_a_distribution(exact):
    assert next_token(LOGITS, k=2)[0].tolist() == pytest.approx([5 / 7, 2 / 7, 0, 0, 0])
    assert next_token(LOGITS, p=0.8)[0].tolist() == pytest.approx([10 / 17, 4 / 17, 3 / 17, 0, 0])
    assert next_token(LOGITS, p=0.7)[0].tolist() == pytest.approx([5 / 7, 2 / 7, 0, 0, 0], abs=1e-9)
    assert next_token(LOGITS, k=99, p=1.0)[0].tolist() == pytest.approx(LOGITS.exp()[0].tolist())


def test_the_likeliest_token_always_stays():
    assert nucleus(LOGITS, 1e-9).isfinite().tolist() == [[True, False, False, False, False]]
    assert top_k(LOGITS, 1).isfinite().tolist() == [[True, False, False, False, False]]


def test_temperature_goes_first_and_zero_is_the_largest(exact):
    """At temperature 1/2 probabilities are squared; top-p then keeps fewer tokens."""
    squared = LOGITS.exp() ** 2
    assert next_token(LOGITS, temperature=0.5)[0].tolist() == pytest.approx(
        (squared / squared.sum())[0].tolist()
    )
    assert (next_token(LOGITS, temperature=0.5, p=0.8) > 0).sum() == 2
    assert (next_token(LOGITS, p=0.8) > 0).sum() == 3
    assert next_token(LOGITS, temperature=0.0)[0].tolist() == [1, 0, 0, 0, 0]


def test_rows_are_filtered_each_by_itself(exact):
    rows = torch.cat([LOGITS, LOGITS.flip(-1)])
    for found in (next_token(rows, k=2), next_token(rows, p=0.6)):
        assert found[0].equal(found[1].flip(-1))
        assert (found > 0).sum(dim=-1).tolist() == [2, 2]


def test_draws_follow_the_distribution(exact):
    model = randomised(GPT2(CONFIG))
    start = tokens(rows=1, length=2)
    expected = next_token(model(start)[:, -1], temperature=2.0, k=6)[0]
    generator = torch.Generator().manual_seed(0)
    drawn = generate(model, start.expand(4000, -1), 1, 2.0, k=6, generator=generator)[:, -1]
    share = torch.bincount(drawn, minlength=V) / 4000
    assert (share - expected).abs().max() < 0.03
    assert not share[expected == 0].any()


def test_the_same_seed_writes_the_same_text(exact):
    model = randomised(GPT2(CONFIG))

    def written(seed):
        generator = torch.Generator().manual_seed(seed)
        return generate(model, tokens(length=2), 8, temperature=3.0, generator=generator)

    assert written(0).equal(written(0))
    assert not written(0).equal(written(1))
    assert written(0)[:, :2].equal(tokens(length=2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: top_k(LOGITS, 0), "0 likeliest"),
        (lambda: nucleus(LOGITS, 0.0), "p is 0.0"),
        (lambda: nucleus(LOGITS, 1.1), "p is 1.1"),
        (lambda: next_token(LOGITS, temperature=-1.0), "temperature is -1.0"),
        (lambda: generate(GPT2(CONFIG), tokens(length=5), 7), "12 tokens exceed the context of 11"),
        (lambda: generate(GPT2(CONFIG), tokens(length=5)[:, :0], 3), "cannot add 3 tokens to 0"),
        (lambda: generate(GPT2(CONFIG), tokens(length=5), -1), "cannot add -1 tokens to 5"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_generated_tokens_can_be_trained_on():
    """They come out of inference mode as ordinary tensors."""
    model = GPT2(CONFIG)
    written = generate(model, tokens(length=2), 5)
    next_token_loss(model(written), written).backward()
    assert model.tokens.weight.grad is not None


# For whoever measures it beside others ---------------------------------------------------------


def test_a_factory_with_logits_and_loss_is_easy_to_write():
    """What a benchmark needs: from sizes to a module that maps tokens and targets to logits and loss."""

    class Timed(nn.Module):
        def __init__(self, vocab_size, context, n_layers, n_heads, d_model):
            super().__init__()
            sizes = TransformerConfig(
                vocab_size, d_model, n_heads, 4 * d_model, n_layers, dropout=0.0, context=context
            )
            self.model = GPT2(sizes)

        def forward(self, tokens, targets):
            logits = self.model(tokens)
            return logits, nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    logits, loss = Timed(50, 16, 2, 4, 32)(torch.randint(50, (3, 16)), torch.randint(50, (3, 16)))
    assert logits.shape == (3, 16, 50)
    assert loss.item() == pytest.approx(math.log(50), rel=0.2)
    loss.backward()


# It learns -------------------------------------------------------------------------------------


def test_it_learns_which_token_stood_before_and_then_writes_it():
    """A list, then the same list: it continues greedily from the cache what it has learnt to copy."""
    config = dataclasses.replace(CONFIG, d_model=24, n_heads=4, d_ff=48, context=10)
    torch.manual_seed(0)
    model = GPT2(config)
    generator = torch.Generator().manual_seed(1)

    def batch():
        return torch.randint(V, (32, 5), generator=generator).repeat(1, 2)

    learns(model, batch, lambda model, rows: next_token_loss(model(rows), rows), steps=150, lr=1e-2)
    rows = batch()
    written = generate(model, rows[:, :6], 4, temperature=0.0)
    assert (written[:, 6:] == rows[:, 6:]).double().mean() > 0.9
