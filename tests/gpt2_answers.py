"""What people write into the exercises on GPT-2, and a part of the message that should answer it.

Written once more and differently, so that the grader's own idea of a mistake is checked against somebody's code.
"""

import itertools
import math

import torch
from torch.nn import functional as F


def shapes_of(d, bias=True, inner=4, norm=2):
    """Every tensor of a block."""
    found = [*[(d, d)] * 4, (d, inner * d), (inner * d, d), *[(d,)] * 2 * norm]
    return found + ([(d,)] * 5 + [(inner * d,)] if bias else [])


def summed(shapes, times=1):
    """How many numbers there are in tensors."""
    return times * sum(math.prod(shape) for shape in shapes)


def counted(tables, block, end):
    """Parameters from a function for each part."""
    return lambda v, c, n, d: summed(tables(v, c, d)) + summed(block(d), n) + summed(end(d))


def both(v, c, d):
    """The two tables."""
    return [(v, d), (c, d)]


def ending(d):
    """The last norm."""
    return [(d,), (d,)]


def measures(first=None, second=None):
    """Both numbers, one of them changed: functions of nats in all, bytes, tokens, text."""

    def answer(loss, n, text):
        size = len(bytes(text, "utf-8"))
        bits = first(loss * n, size, n, text) if first else math.log2(math.e) * loss * n / size
        words = second(loss * n, n, text) if second else math.e ** (loss * n / len(text.split()))
        return bits, words

    return answer


def rows(sees):
    """A mask from a rule for one token (at place i among the new) and one column."""
    return lambda t, p: torch.tensor(
        [[bool(sees(i, j, p, t)) for j in range(p + t)] for i in range(t)]
    )


def ids(encoding="utf-8", errors="strict", pick=min, shift=256):
    """Byte pairs joined by a dictionary of texts, with another alphabet, another choice, other numbers."""

    def answer(text, merges):
        known = [one + other for one, other in merges]
        parts = [bytes([b]) for b in text.encode(encoding, errors)]
        while True:
            places = [
                (merges.index(pair), place)
                for place, pair in enumerate(itertools.pairwise(parts))
                if pair in merges
            ]
            if not places:
                break
            _, place = pick(places)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        return [part[0] if len(part) == 1 else shift + known.index(part) for part in parts]

    return answer


def code_points(text, merges):
    """Characters as symbols; what was joined as a byte pair before stays apart unless it is ASCII."""
    single = [ord(one) for one in text]
    codes = {bytes([b]): b for b in range(256)}
    for rank, pair in enumerate(merges):
        codes[b"".join(pair)] = 256 + rank
    for rank, pair in enumerate(merges):  # no merge undoes an earlier one in these texts
        one, other = codes[pair[0]], codes[pair[1]]
        place = 0
        while place < len(single) - 1:
            if single[place : place + 2] == [one, other]:
                single[place : place + 2] = [256 + rank]
            place += 1
    return single


def draw(steps):
    """Probabilities of each row by plain loops; steps work on a dict from tokens to logits."""

    def answer(logits, t, k, p):
        out = torch.zeros_like(logits)
        for row, line in zip(out, logits, strict=True):
            left = dict(enumerate(line.tolist()))
            for step in steps:
                left = step(left, t, k, p)
            total = sum(math.exp(value) for value in left.values())
            for token, value in left.items():
                row[token] = math.exp(value) / total
        return out

    return answer


def heat(left, t, k, p):
    """Divide by the temperature."""
    return {token: value / t for token, value in left.items()}


def cool(left, t, k, p):
    """Multiply by it."""
    return {token: value * t for token, value in left.items()}


def first_k(left, t, k, p):
    """The k likeliest."""
    return {token: left[token] for token in sorted(left, key=left.get)[-k:]}


def smallest(left, t, k, p, reached=True):
    """The nucleus."""
    total, together, kept = sum(map(math.exp, left.values())), 0.0, {}
    for token in sorted(left, key=left.get, reverse=True):
        share = math.exp(left[token]) / total
        if together >= p or (not reached and together + share >= p):
            break
        together += share
        kept[token] = left[token]
    return kept


GOOD = draw([heat, first_k, smallest])


def not_normed(logits, t, k, p):
    """What remains of the distribution after top-k."""
    return torch.where(GOOD(logits, t, k, p) > 0, draw([heat, first_k])(logits, t, k, p), 0.0)


def filled_with_zero(logits, t, k, p):
    """Top-k by multiplying logits with a mask."""
    kept = (draw([first_k])(logits, t, k, p) > 0).float()
    return draw([smallest])(logits / t * kept, t, k, p)


def proof(place, wrong):
    """The right numbers but for one."""

    def answer(n, s, v):
        numbers = [
            s + v * n + v * n,
            v + s,
            s * math.exp(2 * n * math.log1p(v)),
            s * (1 + 0.5 * v / n) ** n * (1 + 0.5 * v / n) ** n,
        ]
        numbers[place] = wrong(n, s, v)
        return numbers

    return answer


def attend(
    place=lambda p: p,
    order=lambda old, new: (*old, *new),
    sees=lambda i, j, p: j <= p + i,
    root=lambda d, k: k**0.5,
    hand_on=lambda old, both: both,
):
    """Attention by loops over the new tokens."""

    def answer(tokens, keys, values, table, where, q, k, v):
        p, (d, width) = len(keys), q.shape
        x = torch.stack([table[u] + where[place(p) + i] for i, u in enumerate(tokens.tolist())])
        all_k, all_v = (torch.stack(order(old, x @ w)) for old, w in ((keys, k), (values, v)))
        found = []
        for i, one in enumerate(x):
            seen = [j for j in range(len(all_k)) if sees(i, j, p)]
            weights = F.softmax(all_k[seen] @ (one @ q) / root(d, width), dim=0)
            found.append(weights @ all_v[seen])
        return torch.stack(found), hand_on(keys, all_k), hand_on(values, all_v)

    return answer


def no_places(tokens, keys, values, table, where, *matrices):
    """Tokens without positions."""
    return attend()(tokens, keys, values, table, torch.zeros_like(where), *matrices)


def alone(tokens, keys, values, table, where, *matrices):
    """Only the new tokens, at their right places."""
    empty = keys.new_zeros(0, keys.shape[1])
    return attend(place=lambda _: len(keys))(tokens, empty, empty, table, where, *matrices)


def deviations(rule):
    """A rule for one name."""
    return lambda names, n, std: [std * rule(name.split("."), n) for name in names]


def writing(parts):
    """Whether a matrix writes into the stream."""
    return parts[-2] in {"output", "contract"}


WRONG_ANSWERS = [
    ("count_parameters", counted(lambda v, c, d: [*both(v, c, d), (v, d)], shapes_of, ending), "matrix of its own"),
    ("count_parameters", counted(lambda v, c, d: [(v, d)], shapes_of, ending), "positions are missing"),
    ("count_parameters", counted(both, lambda d: shapes_of(d, bias=False), ending), "biases of the matrices"),
    ("count_parameters", lambda v, c, n, d: (v + c + 2) * d + n * (12 * d + 10) * d, "too narrow"),
    ("count_parameters", counted(both, lambda d: shapes_of(d, norm=0), lambda d: []), "layer norms are missing"),
    ("count_parameters", counted(both, shapes_of, lambda d: []), "behind the last block"),
    ("count_parameters", counted(both, lambda d: shapes_of(d, norm=1), lambda d: [(d,)]), "a gain only"),
    ("count_parameters", counted(both, lambda d: shapes_of(d, norm=1), ending), "one layer norm here"),
    ("count_parameters", lambda v, c, n, d: (v + c + 2) * d + n * (11 * d + 12) * d, "fourth one"),
    ("count_parameters", counted(both, lambda d: shapes_of(d, inner=1), ending), "as narrow as the stream"),
    ("count_parameters", lambda v, c, n, d: 12 * n * d * d, "it should return 544"),
    ("fair_measures", measures(lambda total, size, n, text: total / size), "in nats per byte"),
    ("fair_measures", measures(lambda total, size, n, text: total * math.log(2) / size), "more bits than nats"),
    ("fair_measures", measures(lambda total, size, n, text: total / math.log(2) / len(text)), "per character"),
    ("fair_measures", measures(lambda total, size, n, text: total / n / math.log(2)), "still per token"),
    (
        "fair_measures",
        measures(lambda total, size, n, text: total / n * size / n / math.log(2)),
        "changed places",
    ),
    ("fair_measures", measures(second=lambda total, n, text: math.exp(total / n)), "perplexity per token"),
    (
        "fair_measures",
        measures(second=lambda total, n, text: n / len(text.split()) * math.exp(total / n)),
        "logarithms add up",
    ),
    ("fair_measures", measures(second=lambda total, n, text: 2 ** (total / len(text.split()))), "power of 2"),
    ("fair_measures", measures(second=lambda total, n, text: total / len(text.split())), "loss per word"),
    (
        "fair_measures",
        measures(second=lambda total, n, text: math.exp(total / (text.count(" ") + 1))),
        "single spaces",
    ),
    ("fair_measures", lambda loss, n, text: measures()(loss, n, text)[::-1], "it should return ["),
    ("causal_mask", rows(lambda i, j, p, t: True), "sees everything"),
    ("causal_mask", rows(lambda i, j, p, t: j <= i), "begins in the corner"),
    ("causal_mask", lambda t, p: rows(lambda i, j, *_: j <= i)(t, 0), "no column for the old"),
    ("causal_mask", rows(lambda i, j, p, t: j < p + i), "does not see itself"),
    ("causal_mask", rows(lambda i, j, p, t: p <= j <= p + i), "are hidden"),
    ("causal_mask", rows(lambda i, j, p, t: j <= i or j >= t), "stand on the right"),
    ("causal_mask", rows(lambda i, j, p, t: j >= p + i), "into the future"),
    ("causal_mask", rows(lambda i, j, p, t: j > p + i), "may *not* look"),
    ("causal_mask", lambda t, p: rows(lambda i, j, *_: j <= p + i)(t, p).float(), "numbers of type"),
    ("pre_norm_block", lambda x, m, a, n, f: n((y := m(x + a(x))) + f(y)), "post-norm"),
    ("pre_norm_block", lambda x, m, a, n, f: (z := n((y := m(x)) + a(y))) + f(z), "normed x too"),
    ("pre_norm_block", lambda x, m, a, n, f: (y := x + m(a(x))) + n(f(y)), "stand behind the sub-layers"),
    ("pre_norm_block", lambda x, m, a, n, f: (y := x + a(m(x))) + f(m(y)), "have the first norm"),
    ("pre_norm_block", lambda x, m, a, n, f: (y := x + a(n(x))) + f(m(y)), "changed places"),
    ("pre_norm_block", lambda x, m, a, n, f: x + (a(m(x)) + f(n(x))), "the x from the start"),
    ("pre_norm_block", lambda x, m, a, n, f: (y := x + f(n(x))) + a(m(y)), "comes first. Attention does"),
    ("pre_norm_block", lambda x, m, a, n, f: (y := x + a(x)) + f(y), "There is no norm"),
    ("pre_norm_block", lambda x, m, a, n, f: (y := x + a(m(x))) + f(y), "second norm is missing"),
    ("pre_norm_block", lambda x, m, a, n, f: f(n(a(m(x)))), "replaces the stream"),
    ("pre_norm_block", lambda x, m, a, n, f: (y := a(m(x))) + f(n(y)), "first sum is missing"),
    ("pre_norm_block", lambda x, m, a, n, f: f(n(x + a(m(x)))), "second sum is missing"),
    ("pre_norm_block", lambda x, m, a, n, f: n(x + a(m(x))), "the numbers are not"),
    ("initial_deviations", deviations(lambda s, n: 1 / math.sqrt(n) if writing(s) else 1), "one residual layer"),
    ("initial_deviations", deviations(lambda s, n: 0.5 / n if writing(s) else 1), "root is missing"),
    ("initial_deviations", deviations(lambda s, n: math.sqrt(n + n) if writing(s) else 1), "start larger"),
    (
        "initial_deviations",
        deviations(lambda s, n: 1 / math.sqrt(2 * int(s[1]) + 2) if writing(s) else 1),
        "by its place",
    ),
    ("initial_deviations", deviations(lambda s, n: 1 / math.sqrt(2 * n)), "the embeddings too"),
    ("initial_deviations", deviations(lambda s, n: (n + n) ** -0.5 if len(s) > 2 else 1), "All matrices of the"),
    (
        "initial_deviations",
        deviations(lambda s, n: (n + n) ** -0.5 if "output" in s else 1),
        "feed-forward network adds to the stream too",
    ),
    (
        "initial_deviations",
        deviations(lambda s, n: (n + n) ** -0.5 if "contract" in s else 1),
        "Attention adds to the stream too",
    ),
    (
        "initial_deviations",
        deviations(lambda s, n: (n + n) ** -0.5 if len(s) > 2 and not writing(s) else 1),
        "at the entrance",
    ),
    ("initial_deviations", deviations(lambda s, n: 1), "No matrix is divided"),
    ("initial_deviations", lambda names, n, std: std / math.sqrt(2 * n), "should return a list"),
    ("to_tokens", code_points, "begins with characters"),
    ("to_tokens", ids("ascii", "replace"), "question marks"),
    ("to_tokens", ids("utf-16-le"), "UTF-16"),
    ("to_tokens", lambda text, merges: [*bytes(text, "utf-8")], "nothing was joined"),
    ("to_tokens", ids(pick=lambda found: min(found, key=lambda one: one[1])), "from left to right"),
    (
        "to_tokens",
        ids(pick=lambda found: max(found, key=lambda one: (one[0], -one[1]))),
        "learnt last",
    ),
    ("to_tokens", ids(shift=0), "begin at 0"),
    ("to_tokens", ids(shift=257), "one too large"),
    ("to_tokens", lambda text, merges: text, "should return a list"),
    ("sampling_distribution", draw([first_k, smallest]), "temperature is not used"),
    ("sampling_distribution", draw([cool, first_k, smallest]), "multiplied by the temperature"),
    ("sampling_distribution", draw([first_k, smallest, heat]), "temperature comes last"),
    ("sampling_distribution", draw([heat, smallest, first_k]), "of the whole distribution"),
    ("sampling_distribution", draw([heat, first_k]), "nucleus is missing"),
    ("sampling_distribution", draw([heat, smallest]), "Top-k is missing"),
    ("sampling_distribution", draw([heat, first_k, lambda *x: smallest(*x, reached=False)]), "that reaches p is out"),
    ("sampling_distribution", not_normed, "do not sum to 1"),
    ("sampling_distribution", filled_with_zero, "got the logit 0"),
    ("sampling_distribution", lambda *given: GOOD(*given).sort(-1, descending=True)[0], "are sorted"),
    (
        "sampling_distribution",
        lambda g, t, k, p: (g / t).masked_fill(GOOD(g, t, k, p) == 0, -math.inf),
        "These are logits",
    ),
    ("stream_variance", proof(0, lambda n, s, v: s + n * v), "Number 1 (norms) is wrong. How often"),
    ("stream_variance", proof(0, lambda n, s, v: n * v + n * v), "before the first block too"),
    ("stream_variance", proof(0, lambda n, s, v: s * (1 + v) ** n * (1 + v) ** n), "read the stream as it is"),
    (
        "stream_variance",
        proof(0, lambda n, s, v: (math.sqrt(s) + 2 * n * math.sqrt(v)) ** 2),
        "Deviations of independent",
    ),
    ("stream_variance", proof(1, lambda n, s, v: s + 2 * n * v), "Number 2 (norms, divided) is wrong. The factor"),
    ("stream_variance", proof(1, lambda n, s, v: s + 2 * n * v / math.sqrt(2 * n)), "happens to a variance"),
    ("stream_variance", proof(1, lambda n, s, v: s + v / n / 2), "a single branch"),
    ("stream_variance", proof(1, lambda n, s, v: s + n * v / (2 * n)), "Number 2 (norms, divided) is wrong. How"),
    ("stream_variance", proof(1, lambda n, s, v: (s + 2 * n * v) / (2 * n)), "not applied to what"),
    ("stream_variance", proof(1, lambda n, s, v: v), "Number 2 (norms, divided) is wrong. The stream"),
    ("stream_variance", proof(2, lambda n, s, v: s + 2 * n * v), "Number 3 (no norms) is wrong. Now a branch"),
    ("stream_variance", proof(2, lambda n, s, v: s * (1 + 2 * n * v)), "The second branch"),
    ("stream_variance", proof(2, lambda n, s, v: s * (1 + v) ** n), "Number 3 (no norms) is wrong. How often"),
    ("stream_variance", proof(2, lambda n, s, v: s * v**n * v**n), "does not replace"),
    ("stream_variance", proof(3, lambda n, s, v: s + v), "Number 4 (no norms, divided) is wrong. Now"),
    ("stream_variance", proof(3, lambda n, s, v: s + s * v), "Number 4 (no norms, divided) is wrong. The second"),
    ("stream_variance", proof(3, lambda n, s, v: s * (1 + v) ** (2 * n)), "no norms, divided) is wrong. The factor"),
    (
        "stream_variance",
        proof(3, lambda n, s, v: s * (1 + v / math.sqrt(2 * n)) ** (2 * n)),
        "Number 4 (no norms, divided) is wrong. The weights",
    ),
    (
        "stream_variance",
        proof(3, lambda n, s, v: s * (1 + v / 2 / n) ** n),
        "Number 4 (no norms, divided) is wrong. How often",
    ),
    ("stream_variance", proof(3, lambda n, s, v: s * math.e**v), "the limit for many blocks"),
    ("stream_variance", proof(2, lambda n, s, v: 7.0), "Number 3 (no norms) is wrong."),
    ("stream_variance", lambda n, s, v: s, "a list of four numbers"),
    ("cached_attention", attend(place=lambda p: 0), "begin at 0 again"),
    ("cached_attention", attend(place=lambda p: p + 1), "one too large"),
    ("cached_attention", no_places, "positions are missing"),
    ("cached_attention", attend(sees=lambda i, j, p: j <= i), "in the corner"),
    ("cached_attention", attend(sees=lambda i, j, p: True), "There is no mask"),
    (
        "cached_attention",
        attend(order=lambda old, new: (*new, *old), sees=lambda i, j, p: True),
        "before the old ones",
    ),
    ("cached_attention", alone, "only one another"),
    ("cached_attention", attend(hand_on=lambda old, both: both[len(old) :]), "only the new keys"),
    ("cached_attention", attend(hand_on=lambda old, both: old), "are the old ones"),
    ("cached_attention", attend(root=lambda d, k: 1), "not divided by the root of K"),
    ("cached_attention", attend(root=lambda d, k: d**0.5), "root of D"),
    ("cached_attention", attend(root=lambda d, k: k), "its root is missing"),
    ("cached_attention", lambda *given: attend()(*given)[0], "should return 3 tensors"),
]  # fmt: skip
