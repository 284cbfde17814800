"""What a model scores that knows how often each token occurs, and nothing of those before it."""

import math
from typing import Any

import torch

from generators.experiment import Experiment
from generators.experiments.ladder.text import corpus


def frequencies(vocab_size: int, train_every: int, test_every: int) -> dict[str, Any]:
    """Bits per byte of the test text, from each token's share of the training text, every token counted once more."""
    bits = {}
    for kind in ("words", "bytes"):
        data = corpus(kind, vocab_size, train_every, test_every)
        counts = torch.bincount(data.train, minlength=data.vocab_size).double() + 1
        nats = -(counts / counts.sum()).log()[data.test].mean().item()
        bits[kind] = nats / math.log(2) / data.bytes_per_token
    return {"bits": bits}


EXPERIMENTS = {
    "frequencies": Experiment(
        question="What does a model score that knows how often each token occurs, and no more?",
        run=frequencies,
        settings=dict(vocab_size=512, train_every=30, test_every=60),
        smoke=dict(train_every=1000, test_every=1000),
        seeds=(),
        kind="exact",
        tier="benchmark",
        tolerance=dict(bits=1e-6),
    )
}
