"""The Transformer's training beside that of LSTMs with attention, of like size."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from generators.experiment import FAILS, HOLDS, IN_PART, Claim, Experiment, Rule
from generators.experiments.transformer.architecture import weights
from generators.experiments.transformer.cost import VOCABULARY, in_turn, spread
from generators.record import Record
from implementations.transformer import Transformer, TransformerConfig


class LuongAttention(nn.Module):
    r"""What the decoder's state asks of the source, and both together: $\tanh(W_c [c; h])$ (Luong et al., 2015)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.match = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(2 * width, width, bias=False)

    def forward(self, h: Tensor, memory: Tensor) -> Tensor:
        """For states B T D and a memory B S D."""
        shares = (self.match(h) @ memory.mT).softmax(dim=-1)  # B T S
        return self.combine(torch.cat([shares @ memory, h], dim=-1)).tanh()


class FusedLSTM(nn.Module):
    """LSTM encoder and decoder with attention, run over whole sequences by PyTorch's kernel (teacher forcing)."""

    def __init__(self, width: int, n_layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.encoder = nn.LSTM(width, width, n_layers, batch_first=True)
        self.decoder = nn.LSTM(width, width, n_layers, batch_first=True)
        self.attention = LuongAttention(width)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits of every next token."""
        memory, state = self.encoder(self.embedding(source))
        h, _ = self.decoder(self.embedding(target), state)
        return self.attention(h, memory) @ self.embedding.weight.T


class InputFeedingLSTM(nn.Module):
    """The same, but each step also reads what attention gave at the last one, so the decoder goes token by token."""

    def __init__(self, width: int, n_layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.encoder = nn.LSTM(width, width, n_layers, batch_first=True)
        self.decoder = nn.ModuleList(
            nn.LSTMCell(width if depth else 2 * width, width) for depth in range(n_layers)
        )
        self.attention = LuongAttention(width)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits of every next token."""
        memory, (h, c) = self.encoder(self.embedding(source))
        states = list(zip(h, c, strict=True))
        fed = torch.zeros_like(memory[:, 0])
        answers = []
        for x in self.embedding(target).unbind(dim=1):
            x = torch.cat([x, fed], dim=-1)
            for depth, cell in enumerate(self.decoder):
                states[depth] = cell(x, states[depth])
                x = states[depth][0]
            fed = self.attention(x[:, None], memory)[:, 0]
            answers.append(fed)
        return torch.stack(answers, dim=1) @ self.embedding.weight.T


def of_like_size(make: type[nn.Module], n_layers: int, parameters: int) -> nn.Module:
    """The recurrent model whose count of parameters comes nearest, its width a multiple of 8."""
    with torch.device("meta"):
        counts = {width: weights(make(width, n_layers)) for width in range(8, 1024, 8)}
    return make(min(counts, key=lambda width: abs(counts[width] - parameters)), n_layers)


def training_step(model: nn.Module, source: Tensor, target: Tensor) -> Callable[[], None]:
    """One step of AdamW on a batch, again and again the same."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()

    return step


def recurrence(
    lengths: list[int], positions: int, rounds: int, lstm_layers: int, **sizes: int
) -> dict[str, Any]:
    """Training steps of the Transformer and of two LSTMs of like size, each on `positions` target tokens.

    `ratio` is the tokens per second of the Transformer over those of the LSTM, of each round.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = TransformerConfig(VOCABULARY, dropout=0.0, context=max(lengths), **sizes)
    transformer = Transformer(config)
    size = weights(transformer)
    models = {
        "transformer": transformer,
        "fused": of_like_size(FusedLSTM, lstm_layers, size),
        "feeding": of_like_size(InputFeedingLSTM, lstm_layers, size),
    }
    works: dict[str, Callable[[], object]] = {}
    for length in lengths:
        source = torch.randint(1, VOCABULARY, (positions // length, length))
        target = torch.randint(1, VOCABULARY, (positions // length, length + 1))
        for name, model in models.items():
            works[f"{name}_{length}"] = training_step(model, source, target)
    taken = in_turn(works, rounds)
    ratio = {
        name: {
            str(length): spread(
                [
                    theirs / ours
                    for theirs, ours in zip(
                        taken[f"{name}_{length}"], taken[f"transformer_{length}"], strict=True
                    )
                ]
            )
            for length in lengths
        }
        for name in ("fused", "feeding")
    }
    return {
        "ratio": ratio,
        "tokens_per_second": {
            name: {
                str(length): spread([positions / value for value in taken[f"{name}_{length}"]])
                for length in lengths
            }
            for name in models
        },
        "parameters": {name: weights(model) for name, model in models.items()},
        "lengths": lengths,
    }


EXPERIMENTS = {
    "recurrence": Experiment(
        question="How fast does the Transformer train beside LSTMs of like size, at three lengths?",
        run=recurrence,
        settings=dict(
            lengths=[32, 128, 512],
            positions=2048,
            rounds=5,
            lstm_layers=2,
            d_model=192,
            n_heads=4,
            d_ff=768,
            n_layers=3,
        ),
        smoke=dict(
            lengths=[2, 128], positions=128, rounds=2, d_model=8, n_heads=2, d_ff=16, n_layers=1
        ),
        seeds=(),
        kind="timing",
        exclusive=True,
    ),
}


def three_times_faster(record: Record) -> str:
    """Holds if it trains three times as fast as the fused LSTM at every length (lower quartile of the ratio).

    In part if three times as fast as one of the two LSTMs at one of the lengths.
    """
    lengths = record.runs[0]["lengths"]
    low = {
        name: [record[f"ratio.{name}.{length}.q1"].mean for length in lengths]
        for name in ("fused", "feeding")
    }
    if min(low["fused"]) >= 3:
        return HOLDS
    return IN_PART if max(low["fused"] + low["feeding"]) >= 3 else FAILS


CLAIMS = [
    Claim(
        id="P2",
        text="The Transformer trains three times faster than recurrent networks.",
        where="said in courses and posts; the paper compares training costs in Table 2",
        experiment="transformer.recurrence",
        did="Training steps beside a fused LSTM and one with input feeding, both with attention and of like size, at "
        "32, 128 and 512 tokens; one thread. The number is the ratio to the fused LSTM at 128.",
        rule=Rule(three_times_faster, forecast=0.02),
        measured="ratio.fused.128.median:f2",
        said=True,
    ),
]
