"""What needs no network: naive Bayes over the byte pairs of a text."""

import torch

from generators.experiments.gpt1.task import CLASSES, Example, framed


def naive_bayes(
    examples: list[Example], tested: list[Example], n_tokens: int, context: int
) -> float:
    """Accuracy of naive Bayes with one added to every count, on as much of a text as the models read."""
    counts = torch.ones(CLASSES, n_tokens, dtype=torch.float64)
    for text, label in examples:
        counts[label] += torch.bincount(torch.tensor(framed(text, context)), minlength=n_tokens)
    log_p = (counts / counts.sum(dim=1, keepdim=True)).log()
    guesses = [log_p[:, framed(text, context)].sum(dim=1).argmax() for text, _ in tested]
    return sum(
        int(guess == label) for guess, (_, label) in zip(guesses, tested, strict=True)
    ) / len(tested)
