"""GPT-1: a small language model reads library prose, and is tuned to tell which library a text is from.

One pre-trained model per seed serves nearly all questions. Each file of this folder asks one, and holds its
experiments, its claims, their rules and our forecasts.
"""

from generators.experiments.gpt1 import (
    bugs,
    byte_pairs,
    parity,
    pretraining,
    symmetry,
    table5,
    transferred,
    zero_shot,
)

STAGES = pretraining.STAGES

EXPERIMENTS = {
    **byte_pairs.EXPERIMENTS,
    **pretraining.EXPERIMENTS,
    **table5.EXPERIMENTS,
    **transferred.EXPERIMENTS,
    **zero_shot.EXPERIMENTS,
    **symmetry.EXPERIMENTS,
    **bugs.EXPERIMENTS,
    **parity.EXPERIMENTS,
}

# The paper's claims first, then those on byte pairs (S), our own (L), then what people say (N).
CLAIMS = sorted(
    [
        *byte_pairs.CLAIMS,
        *pretraining.CLAIMS,
        *table5.CLAIMS,
        *transferred.CLAIMS,
        *zero_shot.CLAIMS,
        *symmetry.CLAIMS,
        *bugs.CLAIMS,
        *parity.CLAIMS,
    ],
    key=lambda claim: ("ESLN".index(claim.id[0]), int(claim.id[1:].rstrip("x")), claim.id),
)
