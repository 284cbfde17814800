"""Wrong answers to the Transformer's exercises, and what each should be told; test_exercises.py grades them."""

import math

import torch


def softmax(scores, dim=-1):
    """Short for the answers below."""
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
