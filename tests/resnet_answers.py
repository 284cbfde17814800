"""Wrong answers to the exercises on residual networks, and what each is told; test_exercises.py grades them."""

import itertools
import math

import torch
from torch import nn
from torch.nn import functional as F


def zeros(x, count, **where):
    """So many channels of zeros before and after those of x."""
    return F.pad(x, (0, 0, 0, 0, where.get("before", 0), count))


def every(x, step):
    """One pixel of each square."""
    return F.max_pool2d(x, 1, step)


def suffixes(combine, start=1.0):
    """Gradients, one block after another from the end, with `combine(gradient, scale, slope)`."""

    def found(scales, slopes):
        values = [start]
        for scale, slope in list(zip(scales, slopes, strict=True))[::-1]:
            values.append(combine(values[-1], scale, slope))
        return values[::-1]

    return found


def prefixes(scales, slopes):
    """Gradients from the start."""
    values = [1.0]
    for scale, slope in zip(scales, slopes, strict=True):
        values.append(values[-1] * (scale + slope))
    return values


RIGHT_GRADIENTS = suffixes(lambda g, scale, slope: g * scale + g * slope)


def network_size(
    depth, width, n_classes, norm=True, shortcuts="A", conv_bias=False, colours=3, n=None
):
    """Parameters counted by building the layers."""
    n = n or (depth - 2) // 6
    layers, before = [nn.Conv2d(colours, width, 3, bias=conv_bias)], width
    norms = [width]
    for own in (width, 2 * width, 4 * width):
        for _ in range(n):
            layers += [nn.Conv2d(before, own, 3, bias=conv_bias)]
            layers += [nn.Conv2d(own, own, 3, bias=conv_bias)]
            norms += [own, own]
            if shortcuts == "B" and own != before:
                layers.append(nn.Conv2d(before, own, 1, bias=False))
                norms.append(own)
            before = own
    layers.append(nn.Linear(before, n_classes))
    if norm:
        layers += [nn.BatchNorm2d(channels) for channels in norms]
    return sum(p.numel() for layer in layers for p in layer.parameters())


def conv(x, w, stride=1):
    """A convolution whose window fits."""
    return F.conv2d(x, w, stride=stride, padding=w.shape[-1] // 2)


def normed(relu_last=True):
    """Pre-activation as one chain of functions; without the last ReLU."""

    def found(x, blocks, last):
        for a, f, b, g in blocks:
            x = x + g(F.relu(b(f(F.relu(a(x))))))
        return F.relu(last(x)) if relu_last else last(x)

    return found


def network(block, end=lambda x, last: last(x).relu()):
    """A network of blocks `block(x, norm, conv, norm, conv)`."""

    def found(x, blocks, last):
        for parts in blocks:
            x = block(x, *parts)
        return end(x, last)

    return found


def branch(x, a, f, b, g):
    """A pre-activation branch."""
    return g(b(f(a(x).relu())).relu())


def scale_of(gain, variance, epsilon):
    """What the norm multiplies by."""
    return gain * torch.rsqrt(variance + epsilon)


def folding(scale=scale_of, weight=None, bias=None):
    """Fold a norm, with another scale, weight or bias: functions of the norm's parts and that scale."""

    def found(w, g, b, m, v, e):
        s = scale(g, v, e)
        first = torch.einsum("ncij, n -> ncij", w, s) if weight is None else weight(w, s)
        return first, (b - m * s if bias is None else bias(b, m, s))

    return found


def rows_by(choose):
    """A table of paths; `choose(L, k)` names the branches of each by number."""

    def found(x, weights):
        table = torch.zeros(len(weights) + 1, len(x))
        for k in range(len(weights) + 1):
            for chosen in choose(len(weights), k):
                one = x
                for number in chosen:
                    one = one @ weights[number]
                table[k] += one
        return table

    return found


def subsets(length, k):
    """Every choice of k blocks out of so many."""
    return itertools.combinations(range(length), k)


def overwritten_rows(x, weights):
    """One table for old and new rows, from the top."""
    table = torch.zeros(len(weights) + 1, len(x))
    table[0] = x
    for weight in weights:
        for k in range(1, len(table)):
            table[k] = table[k] + table[k - 1] @ weight
    return table


def downwards(x, weights):
    """One table for old and new rows, from the bottom: right."""
    table = torch.zeros(len(weights) + 1, len(x))
    table[0] = x
    for weight in weights:
        for k in range(len(table) - 1, 0, -1):
            table[k] = table[k] + table[k - 1] @ weight
    return table


def running(x, weights):
    """What comes out of each block."""
    return torch.stack([x, *itertools.accumulate(weights, lambda h, w: h + h @ w, initial=x)][1:])


def lazy_loop(x, branches):
    """A loop that forgets."""
    for each in branches:
        out = x + each(x)
    return out


def nested(x, branches):
    """A plain stack."""
    for each in branches:
        x = each(x)
    return x


def residual(x, branches):
    """The right one."""
    for each in branches:
        x += each(x)
    return x


def to_the_first(x, branches):
    """Each branch's answer is added to the first number."""
    h = x
    for each in branches:
        h = x + each(h)
    return h


# What people write, and a part of the message that should answer it. Written here once more and
# differently, so that the grader's own idea of a mistake is checked against somebody's code.
WRONG_ANSWERS = [
    ("stack", nested, "plain stack"),
    ("stack", to_the_first, "very first number"),
    ("stack", lambda x, fs: x + math.fsum(f(x) for f in fs), "side by side"),
    ("stack", lazy_loop, "Only the last branch"),
    ("stack", lambda x, fs: residual(x, fs) - x, "what the branches have added"),
    (
        "stack",
        lambda x, fs: residual(x, fs[:1]),
        "Given 1.0 and [2x+0, 2x+0]: It returns 3; it should",
    ),
    ("stack", lambda x, fs: residual(x, fs) if fs else 0.0, "Given 5.0 and []: It returns 0;"),
    ("stack", lambda x, fs: None, "return"),
    ("stack", lambda x, fs: fs(x), "stops with an error. TypeError"),
    ("gradients", suffixes(lambda g, scale, slope: g * scale), "branches are missing"),
    ("gradients", suffixes(lambda g, scale, slope: g * slope), "plain network"),
    ("gradients", suffixes(lambda g, scale, slope: g * (1 + slope)), "scales make no difference"),
    (
        "gradients",
        suffixes(lambda g, scale, slope: g * scale * slope),
        "scale and slope are multiplied",
    ),
    (
        "gradients",
        lambda a, b: [math.prod(a[i:]) + math.prod(b[i:]) for i in range(len(a))] + [1],
        "multiplies the scales by themselves",
    ),
    (
        "gradients",
        lambda a, b: [*suffixes(lambda g, scale, slope: g + scale + slope, 0.0)(a, b)[:-1], 1.0],
        "adds up the blocks",
    ),
    ("gradients", prefixes, "from the first block on"),
    ("gradients", lambda a, b: RIGHT_GRADIENTS(a, b)[::-1], "wrong order"),
    ("gradients", lambda a, b: RIGHT_GRADIENTS(a, b)[:-1], "last number is missing"),
    ("gradients", lambda a, b: RIGHT_GRADIENTS(a, b)[0], "alone; the answer is a list"),
    ("gradients", lambda a, b: [0.0], "It returns [0.0]; it should return [1.125, 1.5, 3.0, 1]"),
    ("shortcut", lambda x, s, n: zeros(x, n - x.shape[1]), "stride is missing"),
    ("shortcut", lambda x, s, n: zeros(x[:, :, ::s, :], n - x.shape[1]), "but no columns"),
    ("shortcut", lambda x, s, n: zeros(x[:, :, 1::2, 1::2], n - x.shape[1]), "keeps the last"),
    ("shortcut", lambda x, s, n: zeros(F.avg_pool2d(x, s), n - x.shape[1]), "averages"),
    (
        "shortcut",
        lambda x, s, n: zeros(every(x, s), 0, before=n - x.shape[1]),
        "before the old ones",
    ),
    (
        "shortcut",
        lambda x, s, n: zeros(every(x, s), (n - x.shape[1]) // 2, before=(n - x.shape[1]) // 2),
        "both sides",
    ),
    ("shortcut", lambda x, s, n: every(x, s).repeat(1, 2, 1, 1), "repeat the old ones"),
    ("shortcut", lambda x, s, n: zeros(every(x, s), n), "so many in all"),
    ("shortcut", lambda x, s, n: every(x, s), "new channels are missing"),
    ("shortcut", lambda x, s, n: zeros(x[..., ::2, ::2], n - x.shape[1]), "whatever the stride is"),
    ("shortcut", lambda x, s, n: x.new_ones(2, 8, 3, 2), "numbers are not"),
    ("residual_block", lambda x, f, a, g, b, s: b(g(a(f(x)).relu())).relu(), "plain block"),
    (
        "residual_block",
        lambda x, f, a, g, b, s: (x + b(g(a(f(x)).relu()))).relu(),
        "adds `x` itself",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: s(x) + b(g(a(f(x)).relu())).relu(),
        "only add and never take",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: (s(x) + b(g(a(f(x)).relu())).relu()).relu(),
        "a ReLU too many",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: s(x) + b(g(a(f(x)).relu())),
        "after the addition is missing",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: (s(x) + b(g(a(f(x))))).relu(),
        "between the two convolutions is missing",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: (s(x := b(g(a(f(x)).relu()))) + x).relu(),
        "written over",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: (s(x := a(f(x)).relu()) + b(g(x))).relu(),
        "starts after the first",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: b(s(x) + g(a(f(x)).relu())).relu(),
        "changes the shortcut too",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: s(x) + branch(x, a, f, b, g),
        "block of the sequel",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: (s(x) + b(g(a(f(x).relu())))).relu(),
        "before the norm",
    ),
    (
        "residual_block",
        lambda x, f, a, g, b, s: (s(x) + a(g(a(f(x)).relu()))).relu(),
        "`norm_1` is used twice",
    ),
    ("parameters", lambda d, w, k: network_size(d, w, k, norm=False), "norms are missing"),
    (
        "parameters",
        lambda d, w, k: (network_size(d, w, k) + network_size(d, w, k, norm=False)) // 2,
        "one number per channel",
    ),
    (
        "parameters",
        lambda d, w, k: 2 * network_size(d, w, k) - network_size(d, w, k, norm=False),
        "stored, but not trained",
    ),
    ("parameters", lambda d, w, k: network_size(d, w, k, conv_bias=True), "They have none"),
    ("parameters", lambda d, w, k: network_size(d, w, k) - 29 * w, "The stem is missing"),
    ("parameters", lambda d, w, k: network_size(d, w, 1) - 4 * w - 1, "classifier is missing"),
    ("parameters", lambda d, w, k: network_size(d, w, k) - k, "classifier's bias"),
    ("parameters", lambda d, w, k: network_size(d, w, k) + 63 * 4 * w * k, "8x8 pixels"),
    ("parameters", lambda d, w, k: network_size(d, w, k, n=(d - 2) // 3), "twice as many blocks"),
    (
        "parameters",
        lambda d, w, k: (
            w * 29
            + sum(
                9 * a * b + (d // 6 - 1) * 9 * b * b + d // 6 * 2 * b
                for a, b in ((w, w), (w, 2 * w), (2 * w, 4 * w))
            )
            + (4 * w + 1) * k
        ),
        "half the convolutions",
    ),
    (
        "parameters",
        lambda d, w, k: network_size(d, w, k) + 9 * 2 * w * w + 9 * 4 * w * 2 * w,
        "as many channels in as out",
    ),
    ("parameters", lambda d, w, k: network_size(d, w, k, shortcuts="B"), "counts projections"),
    ("parameters", lambda d, w, k: d, "Given 8 and 2 and 5: It returns 8; it should return 1311"),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: F.relu(
            conv(conv(conv(x, a, n).relu(), b).relu(), c) + conv(x, s, n)
        ),
        "first 1x1",
    ),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: F.relu(conv(conv(conv(x, a).relu(), b).relu(), c) + conv(x, s)),
        "keeps its height",
    ),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: conv(conv(conv(x, a).relu(), b, n).relu(), c) + conv(x, s, n),
        "after the addition is missing",
    ),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: (
            conv(conv(conv(x, a).relu(), b, n).relu(), c).relu() + conv(x, s, n)
        ),
        "belongs to the branch here",
    ),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: F.relu(
            conv(conv(conv(x, a).relu(), b, n).relu(), c).relu() + conv(x, s, n)
        ),
        "a ReLU too many",
    ),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: F.relu(conv(conv(conv(x, a), b, n).relu(), c) + conv(x, s, n)),
        "after the first convolution is missing",
    ),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: F.relu(conv(conv(conv(x, a).relu(), b, n), c) + conv(x, s, n)),
        "after the second convolution is missing",
    ),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: F.relu(
            conv(conv(conv(x, a).relu(), b, 2).relu(), c) + conv(x, s, 2)
        ),
        "whatever the stride is",
    ),
    (
        "bottleneck",
        lambda x, a, b, c, s, n: F.relu(
            conv(F.conv2d(conv(x, a).relu(), b, stride=n).relu(), c) + conv(x, s, n)
        ),
        "needs zeros around",
    ),
    ("bottleneck", lambda x, a, b, c, s, n: conv(x, a[:, :2]), "stops with an error. RuntimeError"),
    (
        "pre_activation",
        network(lambda x, a, f, b, g: (x + b(g(a(f(x)).relu()))).relu()),
        "first paper",
    ),
    (
        "pre_activation",
        network(lambda x, *parts: F.relu(x + branch(x, *parts))),
        "ReLU after each addition",
    ),
    (
        "pre_activation",
        network(lambda x, a, f, b, g: (x := a(x).relu()) + g(b(f(x)).relu())),
        "written over",
    ),
    ("pre_activation", network(branch), "shortcuts are missing"),
    (
        "pre_activation",
        network(lambda x, a, f, b, g: x + g(b(f(a(x.relu())).relu()))),
        "before the norms",
    ),
    (
        "pre_activation",
        network(lambda x, a, f, b, g: x + b(g(a(f(x.relu())).relu()))),
        "but the norms after",
    ),
    (
        "pre_activation",
        network(lambda x, a, f, b, g: x + g(b(f(a(x))).relu())),
        "before the first convolution of each block",
    ),
    (
        "pre_activation",
        network(lambda x, a, f, b, g: x + g(b(f(a(x).relu())))),
        "before the second convolution of each block",
    ),
    (
        "pre_activation",
        network(lambda x, *parts: x + branch(x, *parts), end=lambda x, last: x),
        "nothing happens to the last sum",
    ),
    ("pre_activation", normed(relu_last=False), "after `last_norm` is missing"),
    (
        "pre_activation",
        network(lambda x, *parts: x + branch(x, *parts), end=lambda x, last: x.relu()),
        "not normalised",
    ),
    (
        "pre_activation",
        lambda x, blocks, last: network(
            lambda x, *parts: last(x + branch(x, *parts)).relu(), end=lambda x, last: x
        )(x, blocks, last),
        "stand in the loop",
    ),
    ("fold", folding(lambda g, v, e: g / (v + e)), "divides by the variance"),
    ("fold", folding(lambda g, v, e: g * v**-0.5), "Epsilon is missing"),
    ("fold", folding(lambda g, v, e: g / (v**0.5 + e)), "added to the root"),
    ("fold", folding(lambda g, v, e: (v + e) ** -0.5), "The gain is missing"),
    ("fold", folding(lambda g, v, e: g * (v + e) ** 0.5), "the norm divides by it"),
    ("fold", folding(weight=lambda w, s: w), "unchanged"),
    ("fold", folding(weight=lambda w, s: w * s.view(1, -1, 1, 1)), "along the input channels"),
    ("fold", folding(weight=lambda w, s: w * s), "along the last axis"),
    ("fold", folding(bias=lambda b, m, s: b), "the mean is missing"),
    ("fold", folding(bias=lambda b, m, s: b - m), "as it is"),
    ("fold", folding(bias=lambda b, m, s: b + m * s), "it is subtracted"),
    ("fold", folding(bias=lambda b, m, s: (b - m) * s), "multiplied too; it is added last"),
    ("fold", folding(bias=lambda b, m, s: -m * s), "own bias is missing"),
    ("fold", folding(bias=lambda b, m, s: b[:, None]), "shape is (3, 1); it should be (3,)"),
    ("fold", folding(lambda g, v, e: g), "number 1 is wrong|numbers are not"),
    ("fold", lambda w, *norm: w, "type Tensor; it should return 2 tensors"),
    ("fold", lambda *given: None, "returns nothing"),
    ("paths", overwritten_rows, "old row gone"),
    ("paths", rows_by(lambda n, k: itertools.permutations(range(n), k)), "in every order"),
    ("paths", rows_by(lambda n, k: (s[::-1] for s in subsets(n, k))), "last block's matrix"),
    ("paths", lambda x, ws: downwards(x, [w.mT for w in ws]), "wrong side"),
    ("paths", rows_by(lambda n, k: [range(k)]), "one path only"),
    ("paths", running, "after 0, 1, 2"),
    ("paths", rows_by(lambda n, k: subsets(n, n - k)), "upside down"),
    ("paths", lambda x, ws: downwards(x, ws)[1:], "first row is missing"),
    ("paths", lambda x, ws: running(x, ws)[-1], "all paths together"),
    ("paths", lambda x, ws: downwards(x, ws)[:, :1], "Its shape is (4, 1); it should be (4, 3)"),
]
