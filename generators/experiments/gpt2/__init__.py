"""GPT-2: what moving the norms, smaller residual layers and text as bytes change, and what a larger model does.

Each file of this folder asks one question and holds its experiments, its claims, their rules and our forecasts.
"""

from generators.experiments.gpt2 import yardstick

EXPERIMENTS = {
    **yardstick.EXPERIMENTS,
}

# The paper's claims first (F), then the known yardstick (Y).
CLAIMS = [
    *yardstick.CLAIMS,
]
