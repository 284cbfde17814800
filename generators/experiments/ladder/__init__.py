"""The ladder: a decoder of 2017, then the changes of GPT-1 and GPT-2 in their order, one at a time.

A study across papers: one text, one budget, five seeds, each rung at its own learning rate.
"""

from generators.experiments.ladder import climb, frequencies, steps

EXPERIMENTS = {**climb.EXPERIMENTS, **steps.EXPERIMENTS, **frequencies.EXPERIMENTS}

CLAIMS = [*climb.CLAIMS, *steps.CLAIMS]
