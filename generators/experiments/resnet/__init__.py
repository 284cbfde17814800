"""Deep Residual Learning: what a shortcut is worth on small pictures of digits, and why.

Plain networks and their residual twins are trained once (`trained`) and then examined: how deep, how strongly each
layer responds, what happens when a block is taken out, what the loss looks like around them. Each file of this folder
asks one question and holds its experiments, its claims, their rules and our forecasts.
"""

from generators.experiments.resnet import (
    bugs,
    depth,
    exact,
    gradients,
    identity,
    landscape,
    lesions,
    parity,
    preactivation,
    responses,
    shortcuts,
    trained,
)

STAGES = trained.STAGES

EXPERIMENTS = {
    **exact.EXPERIMENTS,
    **parity.EXPERIMENTS,
    **depth.EXPERIMENTS,
    **responses.EXPERIMENTS,
    **gradients.EXPERIMENTS,
    **shortcuts.EXPERIMENTS,
    **identity.EXPERIMENTS,
    **preactivation.EXPERIMENTS,
    **lesions.EXPERIMENTS,
    **landscape.EXPERIMENTS,
    **bugs.EXPERIMENTS,
}

# The papers' claims first, then those of later papers (V), what people say (R).
CLAIMS = sorted(
    [
        *exact.CLAIMS,
        *parity.CLAIMS,
        *depth.CLAIMS,
        *responses.CLAIMS,
        *gradients.CLAIMS,
        *shortcuts.CLAIMS,
        *identity.CLAIMS,
        *preactivation.CLAIMS,
        *lesions.CLAIMS,
        *landscape.CLAIMS,
        *bugs.CLAIMS,
    ],
    key=lambda claim: ("BVR".index(claim.id[0]), int(claim.id[1:].rstrip("x")), claim.id),
)
