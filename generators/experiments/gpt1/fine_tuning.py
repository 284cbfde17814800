"""Fine-tuning on a few labels, and what share of unseen files' texts is then told right."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiments.gpt1.pretraining import LanguageModel, Recurrent
from generators.experiments.gpt1.task import (
    CLASSES,
    SPECIAL,
    Example,
    config_for,
    framed,
    shuffled_batches,
)
from generators.training import training
from implementations.gpt1 import GPT1, BytePairs, FineTuned, batch_of, fine_tuning_loss

DROPOUT = 0.2  # in fine-tuning; pre-training reads everything about once, and needs none


class RecurrentWithDropout(Recurrent):
    """Dropout where an LSTM of one layer has room for it: before and after."""

    def features(self, tokens: Tensor) -> Tensor:
        """What is known after each token: B T D."""
        x = F.dropout(self.tokens(tokens), self.config.dropout, self.training)
        return self.narrow(F.dropout(self.lstm(x)[0], self.config.dropout, self.training))


def model_with(
    known: BytePairs, weights: dict[str, Tensor], context: int, n_hidden: int, **sizes: int
) -> LanguageModel:
    """A model that starts from these weights, the others being new; without dropout until it is tuned.

    Tokens that pre-training never saw, those of the frame, always start anew.
    """
    config = replace(config_for(known, context, **sizes), dropout=DROPOUT)
    model = RecurrentWithDropout(config, n_hidden) if n_hidden else GPT1(config)
    model.load_state_dict({**model.state_dict(), **weights})
    if "tokens.weight" in weights:
        with torch.no_grad():
            new = torch.randn(len(SPECIAL), config.d_model) * weights["tokens.weight"].std()
            model.tokens.weight[torch.tensor(SPECIAL)] = new
    return model


def fine_tune(
    model: LanguageModel,
    examples: list[Example],
    steps: int,
    lr: float,
    batch: int,
    auxiliary: float,
) -> FineTuned:
    """A classifier of the model and one new layer, all of it trained."""
    net = FineTuned(model, CLASSES, DROPOUT)

    def loss_of(some: Sequence[Example]) -> Tensor:
        tokens, real, labels = inputs(some, model.config.context)
        if not auxiliary:  # the next tokens need not even be scored
            return F.cross_entropy(class_scores(net, tokens, real), labels)
        scores, logits = net(tokens, real)
        return fine_tuning_loss(scores, labels, logits, tokens, real, auxiliary)

    batches = shuffled_batches(examples, batch)
    for _ in training(net, loss_of, batches, steps, lr, warmup=steps // 10, weight_decay=0.01):
        pass
    return net.eval()


def class_scores(net: FineTuned, tokens: Tensor, real: Tensor) -> Tensor:
    """Scores of the classes alone."""
    return net.head(net.dropout(net.summary(net.model.features(tokens), real)))


def inputs(examples: Sequence[Example], context: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, where they are real, and labels."""
    tokens, real = batch_of([framed(text, context) for text, _ in examples], context)
    return tokens, real, torch.tensor([label for _, label in examples])


@torch.no_grad()
def accuracy(net: FineTuned, examples: list[Example]) -> float:
    """The share of examples that get their own library."""
    right = 0
    for first in range(0, len(examples), 64):
        tokens, real, labels = inputs(examples[first : first + 64], net.model.config.context)
        right += int((class_scores(net, tokens, real).argmax(dim=-1) == labels).sum())
    return right / len(examples)


@torch.no_grad()
def frozen_accuracy(
    model: nn.Module, examples: list[Example], tested: list[Example], penalty: float
) -> float:
    """Accuracy of ridge regression on the mean of a frozen model's last features over a text."""
    model.eval()
    (x, labels), (unseen, wanted) = (mean_features(model, part) for part in (examples, tested))
    mean, deviation = x.mean(dim=0), x.std(dim=0) + 1e-6
    x, unseen = (x - mean) / deviation, (unseen - mean) / deviation
    target = F.one_hot(labels, CLASSES) - 1 / CLASSES
    gram = x.T @ x / len(x) + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.linalg.solve(gram, x.T @ target.to(x.dtype) / len(x))
    return ((unseen @ weights).argmax(dim=1) == wanted).double().mean().item()


def mean_features(model: nn.Module, examples: list[Example]) -> tuple[Tensor, Tensor]:
    """What the last block knows, averaged over a text's positions, in float64; and the labels."""
    found = []
    for first in range(0, len(examples), 64):
        tokens, real, _ = inputs(examples[first : first + 64], model.config.context)
        features = model.features(tokens).double()
        found.append((features * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True))
    return torch.cat(found), torch.tensor([label for _, label in examples])
