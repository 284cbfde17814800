"""The exercises can be solved, stubs fail, and wrong answers are told what is wrong with them."""

import ast
import importlib
import inspect
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import exercises
from exercises import WrongAnswer
from exercises import __main__ as command
from exercises.__main__ import OPEN, PASSED, WRONG, grade, load, main, papers, stubs
from generators.papers import papers as known_papers
from generators.site import exercises as site_exercises

ROOT = Path(__file__).parents[1]
ALL = [
    (paper, name)
    for paper in papers()
    for name in importlib.import_module(f"exercises.{paper}").EXERCISES
]


def softmax(scores, dim=-1):
    """Short for the tests below."""
    return scores.softmax(dim)


def tril(length, diagonal=0):
    """A lower triangle of True."""
    return torch.ones(length, length, dtype=torch.bool).tril(diagonal)


def rates(smaller=min, falls=-0.5, rises=-1.5, width=-0.5, first=0):
    """A learning rate with the exponents and the count given."""

    def rate(step, d_model, warmup):
        step += first
        return d_model**width * smaller(step**falls, step * warmup**rises)

    return rate


def waves(step=2, first=0, odd=math.cos, per=1.0, turn=False):
    """Positions, number by number: the exponent of feature j is `step * (j // 2) / D`."""

    def table(length, d_model):
        rows = [
            [
                (math.sin if (j % 2 == 0) != turn else odd)(
                    per * pos * 10_000 ** (-step * (j // 2) / d_model)
                )
                for j in range(d_model)
            ]
            for pos in range(first, first + length)
        ]
        return torch.tensor(rows)

    return table


def half_and_half(length, d_model):
    """Positions with all sines before all cosines."""
    code = waves()(length, d_model)
    return torch.cat([code[:, 0::2], code[:, 1::2]], dim=1)


def feed_forward(x, w_1, b_1, w_2, b_2):
    """Eq. 2."""
    return torch.relu(x @ w_1 + b_1) @ w_2 + b_2


def loss(logits, target, epsilon, padding):
    """Label smoothing by PyTorch."""
    return torch.nn.functional.cross_entropy(
        logits, target, label_smoothing=epsilon, ignore_index=padding
    )


def soft_targets(logits, target, wrong, right):
    """Cross-entropy against a table that has `right` at the target and `wrong` elsewhere; one number a row."""
    table = torch.full_like(logits, wrong).scatter(1, target[:, None], right)
    return -(table * logits.log_softmax(dim=1)).sum(dim=1)


def beams(log_probs, start, end, beam, alpha, max_length, score=None, first=False, keep=True):
    """Beam search, written with tuples (score, sum, tokens)."""
    score = score or (lambda total, n: total / ((5 + n) / 6) ** alpha)
    pool = [(0.0, 0.0, [start])]
    for n in range(1, max_length + 1):
        ended = [one for one in pool if one[2][-1] == end]
        fresh = [
            (score(total + p, n), total + p, [*tokens, t])
            for _, total, tokens in pool
            if tokens[-1] != end
            for t, p in enumerate(log_probs(tokens))
        ]
        if not fresh:
            break
        pool = sorted((ended if keep else []) + fresh, reverse=True)[:beam]
        if first and any(tokens[-1] == end for _, _, tokens in pool):
            return next(tokens for _, _, tokens in pool if tokens[-1] == end)[1:]
    return pool[0][2][1:]


def raw_sums(log_probs, start, end, beam, alpha, max_length):
    """Beam search by plain sums, with the penalty only for the last choice."""
    pool = [(0.0, [start])]
    for _ in range(max_length):
        longer = [one for one in pool if one[1][-1] == end]
        for total, tokens in pool:
            if tokens[-1] != end:
                longer += [(total + p, [*tokens, t]) for t, p in enumerate(log_probs(tokens))]
        pool = sorted(longer, reverse=True)[:beam]
    return max(pool, key=lambda one: one[0] / ((4 + len(one[1])) / 6) ** alpha)[1][1:]


def shelved(log_probs, start, end, beam, alpha, max_length):
    """Beam search that sets ended sentences aside."""
    pool, shelf = [(0.0, [start])], []
    for n in range(1, max_length + 1):
        longer = [
            (total + p, [*tokens, t])
            for total, tokens in pool
            for t, p in enumerate(log_probs(tokens))
        ]
        longer.sort(reverse=True)
        shelf += [(s / ((5 + n) / 6) ** alpha, y) for s, y in longer[:beam] if y[-1] == end]
        pool = [(s, y) for s, y in longer if y[-1] != end][:beam]
    return max(shelf or pool)[1][1:]


def through_the_end(log_probs, start, end, beam, alpha, max_length):
    """Beam search that does not notice that a sentence has ended."""
    return beams(log_probs, start, -1, beam, alpha, max_length)


def sums_of_probabilities(log_probs, *given):
    """Beam search that adds up probabilities."""
    return beams(lambda tokens: [math.exp(p) for p in log_probs(tokens)], *given)


def merged(x):
    """The right way to join heads."""
    return x.transpose(0, 1).flatten(1)


def all_heads(q, k, v, width):
    """Attention for heads along the first axis."""
    return softmax(q @ k.transpose(1, 2) / math.sqrt(width)) @ v


def by_view(q, k, v, n):
    """Cut into heads by a view, and join by one."""
    q, k, v = (x.contiguous().view(n, -1, x.shape[1] // n) for x in (q, k, v))
    return all_heads(q, k, v, q.shape[-1]).reshape(-1, n * q.shape[-1])


def cut(x, n):
    """The right way to cut into heads."""
    return x.unflatten(-1, (n, -1)).transpose(0, 1)


# What people write, and a part of the message that should answer it. Written here once more and
# differently, so that the grader's own idea of a mistake is checked against somebody's code.
WRONG_ANSWERS = [
    ("look_up", lambda s, v: torch.tensor(v).mean().item(), "scores make no difference"),
    ("look_up", lambda s, v: v[max(range(len(s)), key=s.__getitem__)], "best score alone"),
    (
        "look_up",
        lambda s, v: sum(a * b / sum(s) for a, b in zip(s, v, strict=True)),
        "may be negative",
    ),
    (
        "look_up",
        lambda s, v: sum(a * b for a, b in zip(s, v, strict=True)),
        "by the scores themselves",
    ),
    (
        "look_up",
        lambda s, v: sum(math.exp(a) * b for a, b in zip(s, v, strict=True)),
        "do not sum to 1",
    ),
    ("look_up", lambda s, v: (torch.tensor(s).exp() * torch.tensor(v)).mean(), "how many there"),
    ("look_up", lambda s, v: softmax(-torch.tensor(s)) @ torch.tensor(v), "minus too many"),
    ("look_up", lambda s, v: softmax(torch.tensor(s)).tolist(), "These are the weights"),
    ("look_up", lambda s, v: v, "type list; it should return one number"),
    ("look_up", lambda s, v: 1.0, "Given [0.0, 1.0, -1.5] and [10.0, 20.0, 40.0]: It returns 1;"),
    ("look_up", lambda s, v: math.exp(s), "stops with an error. TypeError"),
    ("attention", lambda q, k, v: softmax(torch.einsum("tk,sk->ts", q, k)) @ v, "not scaled"),
    ("attention", lambda q, k, v: softmax(q @ k.T / 4, 0) @ v, "wrong axis"),
    ("attention", lambda q, k, v: softmax(q @ k.T * k.shape[1] ** 0.5) @ v, "multiplied by"),
    ("attention", lambda q, k, v: softmax(q @ k.T / q.shape[1]) @ v, "divided by K"),
    ("attention", lambda q, k, v: softmax(q @ k.T / q.shape[1] ** 0.5), "These are the weights"),
    ("attention", lambda q, k, v: (q @ k.T / q.shape[1] ** 0.5) @ v, "no softmax"),
    ("attention", lambda q, k, v: softmax(q @ k.T / 4) @ v, "whatever K is"),
    ("attention", lambda q, k, v: None, "return"),
    ("attention", lambda q, k, v: q, "shape is (3, 16)|numbers are not"),
    ("attention", lambda q, k, v: q @ k, "stops with an error"),
    ("mask", lambda t, p: ~(tril(t.shape[1]) & (t != p)[:, None]), "inverted"),
    ("mask", lambda t, p: tril(t.shape[1]).T & (t != p)[:, None], "wrong side"),
    ("mask", lambda t, p: tril(t.shape[1], -1) & (t != p)[:, None], "does not see itself"),
    ("mask", lambda t, p: tril(t.shape[1], 1) & (t != p)[:, None], "one word too many"),
    ("mask", lambda t, p: tril(t.shape[1]).repeat(len(t), 1, 1), "Padding is still visible"),
    ("mask", lambda t, p: (t != p)[:, None].repeat(1, t.shape[1], 1), "future is still visible"),
    ("mask", lambda t, p: tril(t.shape[1]) & (t != p)[:, :, None], "wrong axis"),
    ("mask", lambda t, p: (tril(t.shape[1]) & (t != p)[:, None]).int(), "torch.bool"),
    ("mask", lambda t, p: tril(t.shape[1]) & (t != 7)[:, None], "numbers are not"),
    ("learning_rate", rates(max), "larger of the two"),
    ("learning_rate", lambda s, d, w: (d * s) ** -0.5, "no warm-up"),
    ("learning_rate", lambda s, d, w: d**-0.5 * s * w**-1.5, "never falls"),
    ("learning_rate", lambda s, d, w: d**-0.5 * min(s, w) * w**-1.5, "stays where it is"),
    ("learning_rate", rates(falls=-1), "falls with the step itself"),
    ("learning_rate", rates(width=0), "The width is missing"),
    ("learning_rate", rates(width=0.5), "wide models get smaller rates"),
    ("learning_rate", rates(first=1), "one step too many"),
    ("learning_rate", rates(first=-1), "divides by zero at the first step"),
    ("learning_rate", rates(rises=-1), "wrong slope"),
    ("learning_rate", lambda s, d, w: 0.001, "Given 1 and 16 and 10: It returns 0.001; it should"),
    ("learning_rate", lambda s, d, w: None, "return"),
    ("positions", half_and_half, "interleaves them"),
    ("positions", waves(step=1), "should be 2i / D"),
    (
        "positions",
        lambda length, d: torch.tensor(
            [
                [(math.cos if j % 2 else math.sin)(p / 10_000 ** (j / d)) for j in range(d)]
                for p in range(length)
            ]
        ),
        "a frequency of its own",
    ),
    (
        "positions",
        lambda length, d: torch.tensor(
            [
                [(math.cos if j % 2 else math.sin)(p / 10_000 ** (2 * j / d)) for j in range(d)]
                for p in range(length)
            ]
        ),
        "twice the number of the feature",
    ),
    ("positions", waves(first=1), "counted from 1"),
    ("positions", waves(turn=True), "changed places"),
    ("positions", waves(odd=math.sin), "All features are sines"),
    ("positions", waves(per=math.pi / 180), "degrees"),
    ("positions", waves(step=-2), "not multiplied by it"),
    ("positions", lambda length, d: waves()(length, d).T, "shape is (8, 5)"),
    ("multi_head", by_view, "mixes up the positions"),
    (
        "multi_head",
        lambda q, k, v, n: all_heads(cut(q, n), cut(k, n), cut(v, n), 12 // n).reshape(len(q), -1),
        "joined wrongly",
    ),
    (
        "multi_head",
        lambda q, k, v, n: merged(all_heads(cut(q, n), cut(k, n), cut(v, n), q.shape[-1])),
        "square root of D",
    ),
    ("multi_head", lambda q, k, v, n: softmax(q @ k.T / 12**0.5) @ v, "one head"),
    (
        "multi_head",
        lambda q, k, v, n: merged(
            all_heads(*(x.reshape(n, len(x), -1) for x in (q, k, v)), q.shape[-1] // n)
        ),
        "joining them is right",
    ),
    (
        "multi_head",
        lambda q, k, v, n: merged(
            all_heads(*(x.view(len(x), -1, n).permute(2, 0, 1) for x in (q, k, v)), 12 // n)
        ),
        "take turns",
    ),
    ("multi_head", lambda q, k, v, n: q[:, :n], "Its shape is (6, 3); it should be (6, 12)"),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: (y := x + a(n(x))) + feed_forward(m(y), *w),
        "pre-norm",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: (y := x + n(a(x))) + m(feed_forward(y, *w)),
        "before the addition",
    ),
    ("encoder_layer", lambda x, a, n, m, *w: m(feed_forward(n(a(x)), *w)), "Both residual"),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: m((y := n(a(x))) + feed_forward(y, *w)),
        "around attention is missing",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: m(feed_forward(n(x + a(x)), *w)),
        "around the feed-forward network is missing",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: m(x + feed_forward(n(a(x)), *w)),
        "spans the whole layer",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: m(x + feed_forward(n(x + a(x)), *w)),
        "adds the input of the whole layer",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: (y := x + a(x)) + feed_forward(y, *w),
        "There is no norm",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: m((y := x + a(x)) + feed_forward(y, *w)),
        "norm after attention is missing",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: n((y := n(x + a(x))) + feed_forward(y, *w)),
        "used twice",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, w, b, u, c: m((y := n(x + a(x))) + (y @ w + b) @ u + c),
        "ReLU is missing",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, *w: m((y := n(x + a(x))) + feed_forward(y, *w).relu()),
        "after the second matrix",
    ),
    (
        "encoder_layer",
        lambda x, a, n, m, w, b, u, c: m((y := n(x + a(x))) + torch.relu(y @ w) @ u),
        "numbers are not",
    ),
    ("label_smoothing", lambda z, y, e, p: loss(z, y, 0.0, p), "Nothing is smoothed"),
    ("label_smoothing", lambda z, y, e, p: loss(z, y, e, -100), "Padding counts"),
    (
        "label_smoothing",
        lambda z, y, e, p: loss(z, y, e, p) * (y != p).sum() / len(y),
        "counted in N",
    ),
    (
        "label_smoothing",
        lambda z, y, e, p: (
            (soft_targets(z, y, 0, 1 - e) * (y != p) + soft_targets(z, y, e / 5, e / 5)).sum()
            / (y != p).sum()
        ),
        "counts in neither",
    ),
    (
        "label_smoothing",
        lambda z, y, e, p: soft_targets(z, y, e / 4, 1 - e)[y != p].mean(),
        "V - 1 wrong words",
    ),
    (
        "label_smoothing",
        lambda z, y, e, p: soft_targets(z, y, e, 1.0)[y != p].mean(),
        "divided by V",
    ),
    (
        "label_smoothing",
        lambda z, y, e, p: soft_targets(z, y, e / 5, 1 - e + e / 5)[y != p].sum(),
        "sum over the rows",
    ),
    ("label_smoothing", lambda z, y, e, p: -loss(z, y, e, p), "sign is wrong"),
    ("label_smoothing", lambda z, y, e, p: loss(z, y, 1 - e, p), "changed places"),
    (
        "label_smoothing",
        lambda z, y, e, p: (
            (e * softmax(z).mean(1) + (1 - e) * softmax(z)[range(len(y)), y])[y != p].mean().neg()
        ),
        "logarithm is missing",
    ),
    (
        "label_smoothing",
        lambda z, y, e, p: (e * z.mean(1) + (1 - e) * z[range(len(y)), y])[y != p].mean().neg(),
        "taken for log-probabilities",
    ),
    ("label_smoothing", lambda z, y, e, p: loss(z, y, e, p).item(), "type float; it should"),
    ("label_smoothing", lambda z, y, e, p: torch.tensor(0.0), "numbers are not: there is 0,"),
    ("beam_search", lambda f, s, e, b, a, m: beams(f, s, e, 1, a, m), "greedy"),
    ("beam_search", lambda f, s, e, b, a, m: beams(f, s, e, b, 0.0, m), "short sentences win"),
    (
        "beam_search",
        lambda *g: beams(*g, score=lambda total, n: total * ((5 + n) / 6) ** g[4]),
        "multiplied by the length penalty",
    ),
    ("beam_search", lambda *g: beams(*g, score=lambda total, n: total / n), "penalty is milder"),
    (
        "beam_search",
        lambda *g: beams(*g, score=lambda total, n: total / ((6 + n) / 6) ** g[4]),
        "start token is counted",
    ),
    ("beam_search", sums_of_probabilities, "adds up probabilities"),
    ("beam_search", raw_sums, "decides only at the end"),
    ("beam_search", shelved, "set aside"),
    ("beam_search", lambda *g: beams(*g, first=True), "stops at the first sentence"),
    ("beam_search", lambda *g: beams(*g, keep=False), "lost in the next step"),
    ("beam_search", lambda *g: beams(*g, score=lambda s, n: -s / ((5 + n) / 6) ** g[4]), "worst"),
    ("beam_search", lambda f, s, *g: [s, *beams(f, s, *g)], "still in front"),
    ("beam_search", lambda f, s, e, *g: [t for t in beams(f, s, e, *g) if t != e], "cut off"),
    ("beam_search", lambda *g: beams(*g[:5], g[5] - 1), "one step too early"),
    ("beam_search", through_the_end, "goes on after the end"),
    ("beam_search", lambda f, s, *g: f([]), "the start token, 0, comes first"),
    ("beam_search", lambda *g: [4, 4], "It returns [4, 4]; it should return ["),
    ("beam_search", lambda *g: 4, "type int; it should return a list"),
]


@pytest.mark.parametrize(("paper", "name"), ALL)
def test_there_are_a_task_three_hints_a_check_and_an_answer(paper, name):
    module = importlib.import_module(f"exercises.{paper}")
    answers = importlib.import_module(f"exercises.answers.{paper}")
    assert len(getattr(module, name).__doc__) > 200
    assert len(getattr(answers, name).__doc__) > 200
    assert len(module.HINTS[name]) == 3
    assert set(module.HINTS) == set(module.EXERCISES)
    checks = importlib.import_module(f"exercises.checks.{paper}")
    assert callable(getattr(checks, f"check_{name}"))


@pytest.mark.parametrize("paper", papers())
def test_exercises_stand_in_their_order(paper):
    """The grader follows the list, the page the file."""
    module = importlib.import_module(f"exercises.{paper}")
    tree = ast.parse(inspect.getsource(module))
    assert [n.name for n in tree.body if isinstance(n, ast.FunctionDef)] == module.EXERCISES


@pytest.mark.parametrize("paper", papers())
def test_the_open_problem_has_a_rubric_and_no_answer(paper):
    module = importlib.import_module(f"exercises.{paper}")
    problem = module.OPEN_PROBLEM
    assert problem.keys() == {"title", "text", "rubric"}
    assert len(problem["text"]) > 200
    assert len(problem["rubric"]) >= 3
    assert sum(points for _, points in problem["rubric"]) == 10
    source = (ROOT / "exercises" / f"{paper}.py", ROOT / "exercises/answers" / f"{paper}.py")
    page = site_exercises.page(next(p for p in known_papers() if p.stem == paper), *source)
    answered, _, last = page.partition("## An open problem: " + problem["title"])
    assert answered.count("A worked answer") == len(module.EXERCISES)
    assert "| All together | 10 |" in last
    assert "???" not in last


@pytest.mark.parametrize("paper", papers())
def test_hints_and_order_can_be_read_without_running_the_file(paper):
    """The site is built without torch: it reads the source."""
    tree = ast.parse((ROOT / "exercises" / f"{paper}.py").read_text(encoding="utf-8"))
    module = importlib.import_module(f"exercises.{paper}")
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    names = ("EXERCISES", "HINTS", "OPEN_PROBLEM")
    assert constants == {name: getattr(module, name) for name in names}


@pytest.mark.parametrize("paper", papers())
def test_each_stub_fails(paper, tmp_path):
    path = tmp_path / f"{paper}.py"
    path.write_text(stubs(paper), encoding="utf-8")
    verdicts = grade(paper, load(path), path)
    assert {verdict for verdict, _ in verdicts.values()} == {OPEN}


@pytest.mark.parametrize("paper", papers())
def test_each_answer_passes(paper):
    answers = importlib.import_module(f"exercises.answers.{paper}")
    verdicts = grade(paper, answers, Path(answers.__file__))
    assert {verdict for verdict, _ in verdicts.values()} == {PASSED}


def test_the_answers_are_what_the_model_computes():
    from exercises.answers import transformer as answers
    from implementations.transformer import attention, label_smoothing, learning_rate, positions

    torch.manual_seed(0)
    q, k, v = torch.randn(5, 12), torch.randn(7, 12), torch.randn(7, 12)
    mixed = attention(q[None, None], k[None, None], v[None, None])[0][0, 0]
    torch.testing.assert_close(answers.attention(q, k, v), mixed)
    heads = [x.unflatten(-1, (3, 4)).transpose(0, 1)[None] for x in (q, k, v)]
    mixed = attention(*heads)[0][0].transpose(0, 1).flatten(1)
    torch.testing.assert_close(answers.multi_head(q, k, v, 3), mixed)
    assert answers.learning_rate(7, 32, 20) == pytest.approx(learning_rate(7, 32, 20))
    torch.testing.assert_close(answers.positions(9, 12), positions(9, 12))
    logits, target = torch.randn(8, 5), torch.tensor([1, 0, 3, 0, 2, 2, 4, 0])
    smoothed = label_smoothing(logits, target, 0.1, padding=0)
    torch.testing.assert_close(answers.label_smoothing(logits, target, 0.1, 0), smoothed)


def test_the_answer_puts_a_layer_together_as_the_model_does():
    from exercises.answers import transformer as answers
    from implementations.transformer import EncoderLayer, TransformerConfig

    torch.manual_seed(0)
    config = TransformerConfig(9, d_model=8, n_heads=2, d_ff=6, n_layers=1, dropout=0.0, context=5)
    layer = EncoderLayer(config).eval()
    attention, network = layer.self_attention, layer.feed_forward
    x = torch.randn(5, 8)
    found = answers.encoder_layer(
        x,
        lambda x: attention(x[None], attention.keys_values(x[None]))[0],
        layer.add_attention.norm,
        layer.add_feed_forward.norm,
        network.expand.weight.T,
        network.expand.bias,
        network.contract.weight.T,
        network.contract.bias,
    )
    torch.testing.assert_close(found, layer(x[None])[0])


def test_the_answer_searches_as_the_model_does():
    """Where a beam of 1 or one that never ends leaves no choice of what to do with ended sentences."""
    from exercises.answers import transformer as answers
    from implementations.transformer import Transformer, TransformerConfig, beam_search

    torch.manual_seed(1)
    config = TransformerConfig(9, d_model=8, n_heads=2, d_ff=6, n_layers=1, dropout=0.0, context=9)
    model = Transformer(config).eval()
    source = torch.tensor([[3, 5, 4]])

    def log_probs(tokens):
        logits = model(source, torch.tensor([tokens]))[0, -1]
        return logits.log_softmax(dim=0).tolist()

    for beam, end in ((1, 2), (3, -1)):
        ours = beam_search(model, source, torch.tensor([1]), end, max_length=5, beam=beam)[0]
        found = answers.beam_search(log_probs, 1, end, beam, 0.6, 5)
        assert found == ours.tolist()


@pytest.mark.parametrize(("name", "answer", "words"), WRONG_ANSWERS)
def test_a_wrong_answer_is_told_what_is_wrong(name, answer, words):
    module = type("Answers", (), {name: staticmethod(answer)})
    verdict, message = grade("transformer", module, Path("my/transformer.py"))[name]
    assert verdict == WRONG
    assert any(part in message for part in words.split("|")), message


def test_each_mistake_has_a_message_of_its_own():
    messages = {}
    for name, answer, _ in WRONG_ANSWERS:
        module = type("Answers", (), {name: staticmethod(answer)})
        message = grade("transformer", module, Path("my/transformer.py"))[name][1]
        messages.setdefault(name, []).append(message)
    for found in messages.values():
        assert len(set(found)) == len(found) >= 2


def test_an_answer_that_changes_its_input_is_still_understood():
    from exercises.checks.transformer import check_attention

    def careless(q, k, v):
        mixed = softmax(q @ k.T) @ v
        q.zero_()
        return mixed

    with pytest.raises(WrongAnswer, match="not scaled"):
        check_attention(careless)


def test_nan_is_named():
    with pytest.raises(WrongAnswer, match="NaN"):
        exercises.compare(lambda x: x / 0, lambda x: x, [], (torch.zeros(3),))


def test_numbers_and_lists_are_compared_too():
    exercises.compare(lambda x: torch.tensor(0.5), lambda x: 0.5, [], (1,))
    exercises.compare(lambda x: (1, torch.tensor(2)), lambda x: [1, 2], [], (1,))
    with pytest.raises(WrongAnswer, match=r"Given 4: It returns 0.25; it should return 0.5"):
        exercises.compare(lambda x: 1 / x, lambda x: x**-0.5, [], (1,), (4,))
    with pytest.raises(WrongAnswer, match=r"It returns \[1\]; it should return \[1, 2\]"):
        exercises.compare(lambda x: [1], lambda x: [1, 2], [], (1,))


def test_a_mistake_is_recognised_only_if_it_explains_all_cases():
    def twice(x):
        """It is doubled."""
        return 2 * x

    with pytest.raises(WrongAnswer, match="doubled"):
        exercises.compare(lambda x: x + x, lambda x: x, [twice], (1,), (3,))
    with pytest.raises(WrongAnswer, match="Given 1: It returns 2; it should return 1"):
        exercises.compare(lambda x: x + 1, lambda x: x, [twice], (1,), (3,))


# The command ------------------------------------------------------------------------------------


def test_the_first_call_hands_out_stubs_and_later_calls_keep_them(tmp_path, capsys):
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert output.count("not started") == 9
    assert "[.........] 0 of 9 passed." in output
    assert "--hint look_up" in output
    mine = tmp_path / "transformer.py"
    text = mine.read_text(encoding="utf-8")
    assert "def check_" not in text
    assert "HINTS" not in text
    mine.write_text(text + "\n# mine\n", encoding="utf-8")
    main(["transformer", "--folder", str(tmp_path)])
    assert mine.read_text(encoding="utf-8").endswith("# mine\n")


def test_it_says_for_each_exercise_where_it_stands(tmp_path, capsys):
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    attempt = right.replace("q @ k.T / math.sqrt(q.shape[-1])", "q @ k.T")
    attempt += "\n\ndef multi_head(q, k, v, n_heads):\n    raise NotImplementedError\n"
    (tmp_path / "transformer.py").write_text(attempt, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["-", "attention", "wrong"]
    assert "not scaled" in lines[2]
    assert any(line.split() == ["+", "mask", "passed"] for line in lines)
    assert any(line.split() == [".", "multi_head", "not", "started"] for line in lines)
    assert "[#######..] 7 of 9 passed." in lines
    assert lines[-1] == "Stuck? python -m exercises transformer --hint attention"


def test_it_says_what_is_new_since_the_last_time(tmp_path, capsys):
    mine, call = tmp_path / "transformer.py", ["transformer", "--folder", str(tmp_path)]
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    worse = right.replace("q @ k.T / math.sqrt(q.shape[-1])", "q @ k.T")
    first = right[: right.index("def attention")]
    told = []
    for text in (first, worse, worse, right):
        mine.write_text(text, encoding="utf-8")
        main(call)
        told.append(capsys.readouterr().out)
    assert "New since the last time: look_up." in told[0]
    assert "New since the last time: mask, learning_rate, positions," in told[1]
    assert "time" not in told[2].partition("passed.")[2]
    assert "New since the last time: attention." in told[3]
    assert "--open" in told[3]
    mine.write_text(worse, encoding="utf-8")
    main(call)
    assert "Passed the last time, but not now: attention." in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"passed": 3}', '{"passed": {"transformer": 1}}'])
def test_a_damaged_memory_costs_nothing_but_the_news(tmp_path, capsys, text):
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    (tmp_path / "transformer.py").write_text(right, encoding="utf-8")
    (tmp_path / ".progress.json").write_text(text, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 0
    assert "9 of 9 passed." in capsys.readouterr().out
    memory = json.loads((tmp_path / ".progress.json").read_text(encoding="utf-8"))
    assert len(memory["passed"]["transformer"]) == 9


def test_an_endless_answer_is_stopped_and_named_with_its_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "PATIENCE", 0.3)
    text = (
        "def look_up(scores, values):\n    while True:\n        try:\n            scores.copy()\n"
    )
    text += "        except Exception:\n            pass\n"
    (tmp_path / "transformer.py").write_text(text, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    output = " ".join(capsys.readouterr().out.split())
    assert "does not come to an end: stopped after 0.3 seconds (transformer.py, line" in output
    assert "There is no function `attention`" in output


def test_the_open_problem_can_be_read_in_the_terminal(tmp_path, capsys):
    assert main(["transformer", "--open", "--folder", str(tmp_path)]) == 0
    output = " ".join(capsys.readouterr().out.split())
    for criterion, points in importlib.import_module("exercises.transformer").OPEN_PROBLEM[
        "rubric"
    ]:
        assert f"{points} {criterion}" in output


def test_it_exits_with_0_when_all_pass(tmp_path, capsys):
    right = (ROOT / "exercises/answers/transformer.py").read_text(encoding="utf-8")
    (tmp_path / "transformer.py").write_text(right, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 0
    assert main(["transformer", "--answers"]) == 0
    assert capsys.readouterr().out.count("[#########] 9 of 9 passed.") == 2


def test_hints_come_one_at_a_time_and_then_the_answers_place(tmp_path, capsys):
    ask = ["transformer", "--hint", "mask", "--folder", str(tmp_path)]
    for expected in (1, 2, 3, 3):
        assert main(ask) == 0
        output = capsys.readouterr().out
        assert output.count(" of 3: ") == expected
    assert "answers/transformer.py" in output
    main(["transformer", "--hint", "attention", "--folder", str(tmp_path)])
    assert capsys.readouterr().out.count(" of 3: ") == 1
    (tmp_path / ".progress.json").write_text("[1, 2", encoding="utf-8")
    assert main(ask) == 0
    assert capsys.readouterr().out.count(" of 3: ") == 1


def test_misspelt_names_are_answered_with_the_nearest(tmp_path, capsys):
    assert main(["transfomer", "--folder", str(tmp_path)]) == 2
    assert 'Did you mean "transformer"?' in capsys.readouterr().err
    assert main(["transformer", "--hint", "maks", "--folder", str(tmp_path)]) == 2
    assert 'Did you mean "mask"?' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def attention(q, k, v:\n    return q\n", "line 1: Python can't read it"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_run_is_named_with_its_line(tmp_path, capsys, text, words):
    (tmp_path / "transformer.py").write_text(text, encoding="utf-8")
    assert main(["transformer", "--folder", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "transformer.py" in message


def test_a_missing_function_and_an_error_are_answers_too(tmp_path, capsys):
    (tmp_path / "transformer.py").write_text("def mask(tokens, padding):\n    return 1 / 0\n")
    assert main(["transformer", "--folder", str(tmp_path)]) == 1
    output = " ".join(capsys.readouterr().out.split())
    assert "There is no function `attention` in transformer.py." in output
    assert "ZeroDivisionError: division by zero (transformer.py, line 2)" in output


def test_torch_and_this_project_are_enough(tmp_path):
    """The grader imports nothing that a student would have to install besides."""
    names = "import sys\nsys.argv = ['exercises', 'transformer', '--answers']\n"
    names += "import runpy\ntry:\n    runpy.run_module('exercises', run_name='__main__')\n"
    names += "except SystemExit as end:\n    assert end.code == 0\n"
    names += "refused = {'pytest', 'jaxtyping', 'beartype', 'matplotlib', 'mkdocs', 'generators'}\n"
    names += "print(sorted(refused & set(sys.modules)))\n"
    result = subprocess.run(
        [sys.executable, "-c", names],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"
