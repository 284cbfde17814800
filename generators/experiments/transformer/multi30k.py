"""Real sentences: captions of Multi30k from German to English, scored with BLEU, and what the heads look at.

The paper's own figures, 27.3 (base) and 28.4 (big) for English to German on newstest2014, are not comparable with
ours: other direction, other texts, 4.5 million training pairs of news instead of 29,000 captions, its own way of
cutting words for BLEU, and models of 65 and 213 million parameters. PUBLISHED has the systems that ours can be held
against; how each was checked is written beside it.

The recipe is the paper's at small size: warm-up and inverse root, label smoothing, dropout, the mean of the last
checkpoints, beam 4 with a length penalty of 0.6. BLEU is sacrebleu's, on cased text with its usual tokenisation; the
signature is in the record.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from sacrebleu.metrics import BLEU, CHRF
from torch import Tensor

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.architecture import weights
from generators.experiments.transformer.maps import kept_maps
from generators.experiments.transformer.multi30k_heads import article_to_noun, self_attention_maps
from generators.experiments.transformer.multi30k_text import (
    END,
    PADDING,
    START,
    Corpus,
    Pair,
    corpus,
    decode,
    encode,
    endless,
    padded,
)
from generators.record import Record
from generators.training import training
from implementations.transformer import (
    Transformer,
    TransformerConfig,
    beam_search,
    greedy,
    label_smoothing,
    learning_rate,
)

# Text-only systems, German to English unless it says otherwise, on test_2016_flickr (1,000 sentences).
PUBLISHED: list[dict[str, Any]] = [
    {
        "system": "Transformer of B. Trevett's tutorials (d_model 256, 3+3 layers, 10 epochs)",
        "year": 2020,
        "direction": "de-en",
        "bleu": 36.1,
        "trained_on": "Multi30k, the same 29,000 pairs",
        "metric": "torchtext bleu_score on lower-cased spaCy tokens; greedy; words seen once are unknown",
        "comparable": "nearly: same pairs, same test set; lower-cased and other tokens, so hold it against our "
        "lower-cased figure",
        "source": "github.com/bentrevett/pytorch-seq2seq at 041994c, notebook 6, last cell: 36.09",
        "checked": "read in the notebook; that its test split is test_2016_flickr read in torchtext's source",
    },
    {
        "system": "OPUS-MT tc-big-gmw-gmw (Transformer-big)",
        "year": 2022,
        "direction": "de-en",
        "bleu": 39.9,
        "trained_on": "OPUS (Tatoeba challenge data of 2021), many millions of pairs, no Multi30k that we know of",
        "metric": "BLEU of the detokenised, cased output (their benchmarks score with sacrebleu [memory]); chrF 60.9",
        "comparable": "in the score, not in the training: far more data of another kind, and a far larger model",
        "source": "model card of Helsinki-NLP/opus-mt-tc-big-gmw-gmw, row deu-eng multi30k_test_2016_flickr",
        "checked": "read in the model card",
    },
    {
        "system": "Transformer-Tiny (d_model 128, 4+4 layers), Wu et al., Good for Misconceived Reasons",
        "year": 2021,
        "direction": "en-de",
        "bleu": 41.02,
        "trained_on": "Multi30k, the same 29,000 pairs",
        "metric": "tokenised, lower-cased BLEU",
        "comparable": "no: the other direction, lower-cased, tokenised",
        "source": "ACL 2021, arXiv:2105.14462, text-only row for Test2016",
        "checked": "[memory]; not confirmed in a source",
    },
]
TRAINED_ALIKE = 36.1  # the published system that saw the same pairs
TARGET = TRAINED_ALIKE - 5  # what a fifth of its parameters should reach

CONTEXT = 160  # tokens; the longest caption has fewer
LONGEST = 80  # tokens that a translation may have


def smoothed_loss(model: Transformer, batch: tuple[Tensor, Tensor], epsilon: float) -> Tensor:
    """Label-smoothed cross-entropy of the next tokens."""
    source, target = batch
    logits = model(source, target[:, :-1]).flatten(0, 1)
    return label_smoothing(logits, target[:, 1:].flatten(), epsilon, PADDING)


def by_length(rows: list[list[int]], batch: int) -> list[list[int]]:
    """Places of the rows in batches of similar lengths."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def loss_per_token(model: Transformer, pairs: list[Pair]) -> float:
    """Mean negative log-likelihood of the target tokens, END included, without smoothing."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for part in by_length([target for _, target in pairs], 100):
            source = padded([pairs[index][0] for index in part])
            target = padded([[START, *pairs[index][1]] for index in part])
            tokens = int((target[:, 1:] != PADDING).sum())
            total += tokens * smoothed_loss(model, (source, target), 0.0).item()
            count += tokens
    return total / count


def translations(
    model: Transformer, data: Corpus, split: str, search: Callable[..., Tensor]
) -> list[str]:
    """All German sentences of a split in English, by `greedy` or `beam_search`."""
    model.eval()
    sources = [source for source, _ in data.pairs[split]]
    written = [""] * len(sources)
    for part in by_length(sources, 50):
        source = padded([sources[index] for index in part])
        start = torch.full((len(part),), START)
        for index, ids in zip(part, search(model, source, start, END, LONGEST), strict=True):
            written[index] = decode(data.tokenizer, ids.tolist())
    return written


def scores(written: list[str], references: list[str]) -> dict[str, float]:
    """BLEU of cased and of lower-cased text, and chrF, all from 0 to 100."""
    return {
        "bleu": BLEU().corpus_score(written, [references]).score,
        "lowercase": BLEU(lowercase=True).corpus_score(written, [references]).score,
        "chrf": CHRF().corpus_score(written, [references]).score,
    }


def signatures() -> dict[str, str]:
    """What sacrebleu says about how it scores."""
    metrics = {"bleu": BLEU(), "lowercase": BLEU(lowercase=True), "chrf": CHRF()}
    for metric in metrics.values():
        metric.corpus_score(["a"], [["a"]])  # a signature knows the references only after a score
    return {name: str(metric.get_signature()) for name, metric in metrics.items()}


def mean_of(checkpoints: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight over several checkpoints (Section 6.1)."""
    return {
        name: torch.stack([checkpoint[name] for checkpoint in checkpoints]).mean(dim=0)
        for name in checkpoints[0]
    }


def translate_captions(
    seed: int,
    sample: bool,
    merges: int,
    tokens: int,
    steps: int,
    warmup: int,
    epsilon: float,
    checkpoints: int,
    every: int,
    looks: int,
    mapped: list[int],
    **sizes: Any,
) -> dict[str, Any]:
    """Train on the captions; score the test set greedily, with beams, and with beams and averaged weights.

    `checkpoints` are kept at the end, `every` so many steps; the validation split is looked at `looks` times;
    `mapped` are the test sentences whose attention is kept.
    """
    data = corpus(sample, merges)
    model = Transformer(
        TransformerConfig(
            data.tokenizer.get_vocab_size(), context=CONTEXT, padding=PADDING, **sizes
        )
    )
    seen: Counter[str] = Counter()
    curve, kept = [], []
    for step, loss in training(
        model,
        lambda batch: smoothed_loss(model, batch, epsilon),
        endless(data.pairs["train"], tokens, seen),
        steps,
        lr=lambda step: learning_rate(step, model.config.d_model, warmup),
    ):
        if step > steps - checkpoints * every and (steps - step) % every == 0:
            kept.append({name: weight.clone() for name, weight in model.state_dict().items()})
        if step % (steps // looks) == 0:
            curve.append({"step": step, "loss": round(loss, 4), **_validated(model, data)})
    split = "test_2016_flickr"
    references = [english for _, english in data.text[split]]
    results = {"greedy": scores(translations(model, data, split, greedy), references)}
    results["beam"] = scores(translations(model, data, split, beam_search), references)
    model.load_state_dict(mean_of(kept))
    written = translations(model, data, split, beam_search)
    results["averaged"] = scores(written, references)
    relation = article_to_noun(model, data)
    layer = relation["which"]["layer"] - 1
    return {
        "bleu": {way: result["bleu"] for way, result in results.items()},
        "bleu_lowercase": {way: result["lowercase"] for way, result in results.items()},
        "chrf": {way: result["chrf"] for way, result in results.items()},
        "gain": {
            "beam": results["beam"]["bleu"] - results["greedy"]["bleu"],
            "averaging": results["averaged"]["bleu"] - results["beam"]["bleu"],
        },
        "signatures": signatures(),
        "curve": curve,
        "validation_loss_averaged": loss_per_token(model, data.pairs["val"]),
        "parameters": weights(model),
        "vocabulary": data.tokenizer.get_vocab_size(),
        "seen": {**seen, "epochs": seen["sentences"] / len(data.pairs["train"])},
        "examples": _examples(data, split, written),
        "maps": [_maps(model, data, data.text[split][i][0], written[i], layer) for i in mapped],
        "article_to_noun": relation,
    }


def _validated(model: Transformer, data: Corpus) -> dict[str, float]:
    references = [english for _, english in data.text["val"]]
    written = translations(model, data, "val", greedy)
    return {
        "validation_loss": round(loss_per_token(model, data.pairs["val"]), 4),
        "validation_bleu": round(BLEU().corpus_score(written, [references]).score, 2),
    }


def _examples(data: Corpus, split: str, written: list[str]) -> list[dict[str, str]]:
    """Every hundredth sentence (the first only, in a sample), so that nobody has chosen."""
    return [
        {"german": german, "reference": english, "translation": translation}
        for (german, english), translation in list(zip(data.text[split], written, strict=True))[
            ::100
        ]
    ]


def _maps(
    model: Transformer, data: Corpus, german: str, translation: str, layer: int
) -> dict[str, Any]:
    """Where one sentence's attention goes.

    Over the source while the model's own translation is written (last layer, mean of heads), and within the source
    in every head of one encoder layer.
    """
    source, target = encode(data.tokenizer, german), encode(data.tokenizer, translation)
    with kept_maps([model.decoder[-1].cross_attention]) as maps:
        model(torch.tensor([source]), torch.tensor([[START, *target[:-1]]]))
    return {
        "source": [data.tokenizer.id_to_token(id_) for id_ in source],
        "target": [data.tokenizer.id_to_token(id_) for id_ in target],
        "cross": _rounded(maps[0][0].mean(dim=0)),
        "layer": layer + 1,
        "self": [_rounded(head) for head in self_attention_maps(model, source)[layer]],
    }


def _rounded(weights: Tensor) -> list[list[float]]:
    return [[round(weight, 2) for weight in row] for row in weights.tolist()]


EXPERIMENTS = {
    "multi30k": Experiment(
        question="How well does a small Transformer translate real sentences, and does a head learn grammar?",
        run=translate_captions,
        settings={
            "sample": False,
            "merges": 3000,
            "tokens": 2048,
            "steps": 5600,
            "warmup": 800,
            "epsilon": 0.1,
            "checkpoints": 5,
            "every": 200,
            "looks": 8,
            "mapped": [0, 2],
            "d_model": 128,
            "n_heads": 4,
            "d_ff": 512,
            "n_layers": 3,
            "dropout": 0.1,
        },
        smoke={
            "sample": True,
            "merges": 40,
            "tokens": 200,
            "steps": 8,
            "warmup": 4,
            "checkpoints": 2,
            "every": 2,
            "looks": 2,
            "mapped": [0],
            "d_model": 16,
            "n_heads": 2,
            "d_ff": 32,
            "n_layers": 1,
        },
        tier="benchmark",
        tolerance=dict(
            bleu=2.0,
            bleu_lowercase=2.0,
            chrf=2.0,
            gain=2.0,
            curve=None,
            validation_loss_averaged=0.1,
            examples=None,
            maps=None,
            article_to_noun=None,
        ),
    ),
}


def reaches_the_target(record: Record) -> str:
    """Holds if cased BLEU (averaged weights, beam 4) is at least 31.1; the lower end of the interval decides.

    That is 5 below the published system that was trained on the same pairs. In part if it is 10 below.
    """
    reached = record["bleu.averaged"].low
    return HOLDS if reached >= TARGET else IN_PART if reached >= TARGET - 5 else FAILS


def finds_the_noun(record: Record) -> str:
    """Holds if the best head finds the noun 10 points more often than the best fixed offset does.

    Both are chosen on the validation split; the lower end of the interval decides. In part if it does so by less than
    10 points, or only where words stand between article and noun.
    """
    if record["article_to_noun.gain"].low >= 0.1:
        return HOLDS
    apart = record["article_to_noun.apart.gain"].low
    return IN_PART if record["article_to_noun.gain"].low > 0 or apart >= 0.1 else FAILS


CLAIMS = [
    Claim(
        id="A9",
        text="The Transformer translates real sentences well, with attention alone.",
        where="abstract and Table 2, for English to German and to French newspaper text",
        experiment="transformer.multi30k",
        did="Trained a small one on 29,000 captions, German to English, and asked for at most 5 BLEU less than a "
        "published Transformer that saw the same pairs (36.1). The paper's own 27.3 and 28.4 are not comparable.",
        rule=Rule(reaches_the_target, forecast=0.8),
        measured="bleu.averaged:f1",
    ),
    Claim(
        id="A10",
        text="Many heads do work that has to do with the syntax and the meaning of the sentence.",
        where="Section 4, last paragraph, and the figures of the appendix",
        experiment="transformer.multi30k",
        did="Judged one such relation: whether the largest weight of an encoder head goes from a German article to "
        "its noun, the next capitalised word, more often than the best fixed distance would hit it.",
        rule=Rule(finds_the_noun, forecast=0.2),
        measured="article_to_noun.gain:pct",
    ),
]
