"""GPT-2: what moving the norms, smaller residual layers and text as bytes change, and what a larger model does.

Each file of this folder asks one question and holds its experiments, its claims, their rules and our forecasts.
"""

from generators.experiments.gpt2 import (
    bugs,
    depth,
    exact,
    explorer,
    generation,
    hint,
    parity,
    sizes,
    start,
    vocabulary,
    yardstick,
)

STAGES = explorer.STAGES

EXPERIMENTS = {
    **sizes.EXPERIMENTS,
    **hint.EXPERIMENTS,
    **depth.EXPERIMENTS,
    **exact.EXPERIMENTS,
    **start.EXPERIMENTS,
    **vocabulary.EXPERIMENTS,
    **generation.EXPERIMENTS,
    **bugs.EXPERIMENTS,
    **explorer.EXPERIMENTS,
    **yardstick.EXPERIMENTS,
    **parity.EXPERIMENTS,
}

# The paper's claims first (F), then our own (L), the explorer's (X), the known yardstick (Y), what people say (N).
CLAIMS = sorted(
    [
        *sizes.CLAIMS,
        *hint.CLAIMS,
        *depth.CLAIMS,
        *exact.CLAIMS,
        *start.CLAIMS,
        *vocabulary.CLAIMS,
        *generation.CLAIMS,
        *bugs.CLAIMS,
        *explorer.CLAIMS,
        *yardstick.CLAIMS,
        *parity.CLAIMS,
    ],
    key=lambda claim: ("FSLXYN".index(claim.id[0]), int(claim.id[1:].rstrip("x")), claim.id),
)
