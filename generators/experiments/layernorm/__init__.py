"""Layer Normalization: what a norm cannot see, whom it makes independent of whom, and what it does to learning.

Exact things are counted in float64; nets learn the handwritten digits, recurrent ones a sum, and our own Transformer
number words. Each file of this folder asks one question and holds its experiments, its claims, their rules and our
forecasts.
"""

from generators.experiments.layernorm import (
    batch_size,
    bugs,
    convolutions,
    counting,
    dynamics,
    gain,
    invariances,
    one_number,
    parity,
    placement,
    weights,
)

EXPERIMENTS = {
    **invariances.EXPERIMENTS,
    **weights.EXPERIMENTS,
    **batch_size.EXPERIMENTS,
    **bugs.EXPERIMENTS,
    **convolutions.EXPERIMENTS,
    **dynamics.EXPERIMENTS,
    **counting.EXPERIMENTS,
    **one_number.EXPERIMENTS,
    **gain.EXPERIMENTS,
    **placement.EXPERIMENTS,
    **parity.EXPERIMENTS,
}

# The paper's claims first, then our own (L), then what people say (N).
CLAIMS = sorted(
    [
        *invariances.CLAIMS,
        *weights.CLAIMS,
        *batch_size.CLAIMS,
        *bugs.CLAIMS,
        *convolutions.CLAIMS,
        *dynamics.CLAIMS,
        *counting.CLAIMS,
        *one_number.CLAIMS,
        *gain.CLAIMS,
        *placement.CLAIMS,
        *parity.CLAIMS,
    ],
    key=lambda claim: ("CLN".index(claim.id[0]), int(claim.id[1:].rstrip("x")), claim.id),
)
