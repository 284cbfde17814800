"""Attention Is All You Need: what a small Transformer learns when it translates numbers between four languages.

"einundzwanzig" says the one before the twenty and English the other way round, so a translator has to know where to
look. We make the pairs ourselves, so we know where it should have looked. Each file of this folder asks one question
and holds its experiments, its claims, their rules and our forecasts.
"""

from generators.experiments.transformer import (
    alignment,
    architecture,
    bugs,
    components,
    cost,
    distance,
    dropout,
    exact,
    heads,
    heads_off,
    length,
    live,
    multi30k,
    parity,
    positions,
    recurrence,
    scaling,
    short,
    smoothing,
    translator,
    warmup,
)

STAGES = {**translator.STAGES, **live.STAGES}

EXPERIMENTS = {
    **architecture.EXPERIMENTS,
    **translator.EXPERIMENTS,
    **alignment.EXPERIMENTS,
    **heads_off.EXPERIMENTS,
    **short.EXPERIMENTS,
    **scaling.EXPERIMENTS,
    **components.EXPERIMENTS,
    **bugs.EXPERIMENTS,
    **positions.EXPERIMENTS,
    **smoothing.EXPERIMENTS,
    **dropout.EXPERIMENTS,
    **warmup.EXPERIMENTS,
    **heads.EXPERIMENTS,
    **distance.EXPERIMENTS,
    **cost.EXPERIMENTS,
    **recurrence.EXPERIMENTS,
    **length.EXPERIMENTS,
    **live.EXPERIMENTS,
    **exact.EXPERIMENTS,
    **parity.EXPERIMENTS,
    **multi30k.EXPERIMENTS,
}

# The paper's claims first, then those of later papers (S), our own (O), what people say (P).
CLAIMS = sorted(
    [
        *translator.CLAIMS,
        *alignment.CLAIMS,
        *heads_off.CLAIMS,
        *short.CLAIMS,
        *scaling.CLAIMS,
        *components.CLAIMS,
        *bugs.CLAIMS,
        *positions.CLAIMS,
        *smoothing.CLAIMS,
        *dropout.CLAIMS,
        *warmup.CLAIMS,
        *heads.CLAIMS,
        *distance.CLAIMS,
        *cost.CLAIMS,
        *recurrence.CLAIMS,
        *length.CLAIMS,
        *live.CLAIMS,
        *exact.CLAIMS,
        *multi30k.CLAIMS,
    ],
    key=lambda claim: ("ASOP".index(claim.id[0]), int(claim.id[1:].rstrip("x")), claim.id),
)
