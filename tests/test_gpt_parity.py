"""GPT-1 and GPT-2 equal Hugging Face's models in values and gradients; vocabularies equal `tokenizers`' own."""

import dataclasses
import math

import pytest
import torch
from gpt_cases import (
    CONFIG,
    CONTEXT,
    HOSTILE,
    LAYERS,
    D,
    H,
    V,
    gradients,
    hugging_face,
    random_texts,
    randomised,
    theirs_named,
    tokens,
)
from parity_cases import TOLERANCE, pull_back, worst_error
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.nn import functional as F
from transformers import OpenAIGPTConfig, OpenAIGPTDoubleHeadsModel

from implementations import gpt1, gpt2
from implementations.gpt1 import (
    GPT1,
    BytePairs,
    FineTuned,
    Special,
    batch_of,
    fine_tuning_loss,
    gelu,
    multiple_choice,
    next_token_loss,
)
from implementations.gpt2 import GPT2, ByteTokenizer, generate, to_bytes

CONFIGS = {GPT1: dataclasses.replace(CONFIG, d_ff=4 * D), GPT2: CONFIG}
both = pytest.mark.parametrize("kind", [GPT1, GPT2], ids=lambda kind: kind.__name__)


@both
def test_the_model_equals_hugging_face(dtype, kind):
    ours = randomised(kind(CONFIGS[kind]))
    theirs = hugging_face(ours)
    given = tokens()
    answers = {"logits": ours(given)}, {"logits": theirs(given).logits}
    for answer in answers:
        pull_back([answer["logits"]])
    found = worst_error(
        {**answers[0], **theirs_named(ours, "grad")}, {**answers[1], **gradients(theirs)}
    )
    print(f"worst error {found:.1e}")  # pytest -rP shows it
    assert found <= TOLERANCE[dtype]


@both
def test_the_loss_of_the_next_token_equals_hugging_face(exact, kind):
    ours = randomised(kind(CONFIGS[kind]))
    theirs = hugging_face(ours)
    given = tokens()
    assert next_token_loss(ours(given), given).item() == pytest.approx(
        theirs(given, labels=given).loss.item(),
        abs=1e-6,  # they compute it in float32
    )


def test_fine_tuning_for_multiple_choice_equals_the_model_with_two_heads(dtype):
    """Scores of the answers, logits, and the gradients of Eq. 5 at every weight."""
    config = CONFIGS[GPT1]
    ours = FineTuned(GPT1(config), n_outputs=1, dropout=0.0)
    randomised(ours)
    theirs = OpenAIGPTDoubleHeadsModel(
        OpenAIGPTConfig(
            vocab_size=V,
            n_positions=CONTEXT,
            n_embd=D,
            n_layer=LAYERS,
            n_head=H,
            num_labels=1,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            summary_first_dropout=0.0,
        )
    )
    state = theirs_named(ours.model) | {
        "multiple_choice_head.summary.weight": ours.head.weight.data,
        "multiple_choice_head.summary.bias": torch.zeros(1),
    }
    left = theirs.load_state_dict(state, strict=False)
    assert not left.unexpected_keys
    assert all(name.endswith("attn.bias") for name in left.missing_keys)
    special = Special(20, 21, 22)
    stories = [
        multiple_choice([1, 2, 3], [[4], [5, 6, 7]], special),
        multiple_choice([8], [[9, 10], [11, 12]], special),
    ]
    given, real = batch_of([row for story in stories for row in story], CONTEXT)
    given, real = given.view(2, 2, -1), real.view(2, 2, -1)
    labels = torch.tensor([1, 0])
    scores = ours.choose(given, real)
    logits = ours.model(given.flatten(0, 1))
    loss = fine_tuning_loss(
        scores, labels, logits, given.flatten(0, 1), real.flatten(0, 1), weight=0.5
    )
    loss.backward()
    answer = theirs(given, mc_token_ids=real.sum(dim=2) - 1)
    # Only predictions of real tokens count, in both.
    wanted = given.masked_fill(~real, -100)
    language = F.cross_entropy(
        answer.logits[..., :-1, :].reshape(-1, V), wanted[..., 1:].reshape(-1), ignore_index=-100
    )
    total = F.cross_entropy(answer.mc_logits.view(2, 2), labels) + 0.5 * language
    total.backward()
    head = "multiple_choice_head.summary.weight"
    mine = {"scores": scores, "loss": loss, **theirs_named(ours.model, "grad")}
    theirs_all = {"scores": answer.mc_logits.view(2, 2), "loss": total, **gradients(theirs)}
    theirs_all.pop("multiple_choice_head.summary.bias")
    assert worst_error(mine | {head: ours.head.weight.grad}, theirs_all) <= TOLERANCE[dtype]


def test_gelu_equals_its_formula_and_not_the_error_function(exact):
    x = torch.linspace(-6, 6, 1001)
    formula = x / 2 * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).tanh())
    assert (gelu(x) - formula).abs().max() < 1e-14
    apart = (gelu(x) - F.gelu(x)).abs().max().item()
    assert 4e-4 < apart < 5e-4


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: GPT1(gpt1.PAPER), 116_534_784),
        (lambda: GPT2(gpt2.SIZES["117M"]), 124_439_808),
        (lambda: GPT2(gpt2.SIZES["345M"]), 354_823_168),
        (lambda: GPT2(gpt2.SIZES["762M"]), 774_030_080),
        (lambda: GPT2(gpt2.SIZES["1542M"]), 1_557_611_200),
    ],
    ids=["GPT-1", *gpt2.SIZES],
)
def test_the_published_models_have_their_exact_count(make, count):
    with torch.device("meta"):
        model = make()
    assert sum(weight.numel() for weight in model.parameters()) == count


def test_greedy_generation_equals_hugging_face(exact):
    ours = randomised(GPT2(CONFIG))
    theirs = hugging_face(ours)
    given = tokens(length=3)
    length = CONTEXT - 3
    written = theirs.generate(
        given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=length,
        min_new_tokens=length,
        do_sample=False,
        pad_token_id=0,
    )
    assert generate(ours, given, length, temperature=0.0).equal(written)


# Vocabularies ----------------------------------------------------------------------------------

CORPUS = [
    "The attention of the model attends to the tokens that attend to it.",
    "Return the largest eigenvalue of a matrix; raise ValueError if it isn't square.",
    "It's 12 o'clock, 1234 times. Don't we've they're I'm\n\n    indented lines\tand tabs",
    "Über Öl: ein café, naïve Ωmega 北京 北京 日本 👍👍 ½ ½",
] * 3


def byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte in `tokenizers`' byte-level vocabularies."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{byte: chr(byte) for byte in printable},
        **{byte: chr(256 + number) for number, byte in enumerate(others)},
    }


def as_characters(symbol: bytes) -> str:
    """A byte string in those characters."""
    table = byte_characters()
    return "".join(table[byte] for byte in symbol)


def theirs_with(merges) -> Tokenizer:
    """`tokenizers`' byte-level BPE with our merges and our numbers."""
    ours = ByteTokenizer(merges)
    numbers = {as_characters(symbol): number for symbol, number in ours.number.items()}
    pairs = [(as_characters(first), as_characters(second)) for first, second in merges]
    tokenizer = Tokenizer(models.BPE(numbers, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_the_byte_tokenizer_equals_the_tokenizers_package():
    ours = ByteTokenizer.learn(CORPUS, 200)
    assert len(ours.merges) > 150
    theirs = theirs_with(ours.merges)
    # Their pattern is compiled by another engine; it too takes U+0085 for white space.
    for text in [*CORPUS, *HOSTILE, *random_texts(2000)]:
        assert ours.encode(text) == theirs.encode(text).ids, ascii(text)


def test_characters_and_merges_equal_the_tokenizers_package():
    ours = BytePairs.learn(CORPUS, 150)
    assert len(ours.merges) > 100
    # Theirs has a suffix for word ends too, which it adds to the last character of each word it is given.
    theirs = Tokenizer(models.BPE(ours.number, ours.merges, end_of_word_suffix="</w>"))
    compared = 0
    for text in CORPUS:
        for word in text.split():
            if word.isalnum():
                assert theirs.encode(word).ids == ours.encode(word), word
                compared += 1
    assert compared > 50


def test_what_cannot_be_a_character_becomes_the_replacement_character():
    tokenizer = ByteTokenizer([])
    assert to_bytes("a\ud800b") == "a\ufffdb".encode()
    assert to_bytes("\ud83d\ude00") == "😀".encode()  # two halves that belong together
    assert tokenizer.decode(tokenizer.encode("a\udfff")) == "a\ufffd"
