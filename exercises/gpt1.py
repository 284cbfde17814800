r"""Exercises for "Improving Language Understanding by Generative Pre-Training" (GPT-1).

Eight parts, from counting pairs of letters to the loss of fine-tuning. Write your answers into
`my/gpt1.py`, which the first `python -m exercises gpt1` makes, and run the same command again: it
says what is right, what is wrong with the rest, and what is new since the last time. Python,
PyTorch and this project are all that it takes; `--hint merge_by_rank` shows a hint, and one more
each time. You may solve the exercises in any order: each is checked by itself. The last problem is
open and has no published answer.

Letters for sizes: B rows of a batch, T tokens of a row, D features of a token, V tokens of the
vocabulary, C classes.
"""

from torch import Tensor

EXERCISES = [  # in rising difficulty
    "count_pairs",
    "learn_merges",
    "merge_by_rank",
    "gelu",
    "multiple_choice",
    "next_token_loss",
    "similarity_score",
    "fine_tuning_loss",
]

HINTS = {
    "count_pairs": [
        "Two loops: over the words, and inside over the neighbours of each word. A word that occurs "
        "five times counts five times.",
        "`zip(word, word[1:])` goes through the neighbours of a tuple: (l, o), then (o, w).",
        "`counts[pair] = counts.get(pair, 0) + count`, and at the end `return counts`.",
    ],
    "learn_merges": [
        "Read the recipe aloud and write it down as it stands: count, take the best, join it in "
        "all words, count again. Speed does not matter here.",
        "To join a pair in one word, walk through its symbols; where this one and the next are the "
        "pair, put their sum into the new word and jump over two.",
        "The best pair is `min(counts, key=lambda pair: (-counts[pair], pair))`: the largest count "
        "first, and of equal ones the pair that comes first in the alphabet.",
    ],
    "merge_by_rank": [
        "Which merge goes first in a word: the one whose place is furthest left, or the one that "
        "was learnt first?",
        "As long as there is a neighbouring pair that has a rank: find the one with the *lowest* "
        "rank, and join it everywhere in the word.",
        "`min(pairs, key=lambda pair: rank.get(pair, math.inf))` finds it; if its rank is infinite, "
        "nothing is left to do.",
    ],
    "gelu": [
        "The formula has one half, one root, one constant and one cube. Write it in one line and "
        "look at it once more.",
        "At 3 it is 2.9964, at -3 it is -0.0036. With the error function you would get 2.9960.",
        "`x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))`",
    ],
    "multiple_choice": [
        "Each answer becomes a sequence of its own, and in each the whole context comes first.",
        "Count the framing tokens: one at the start, one between context and answer, one at the "
        "end.",
        "`[[start, *context, delimiter, *answer, extract] for answer in answers]`",
    ],
    "next_token_loss": [
        "Which logits say something about token 0? None: nothing was read before it. And what do "
        "the last logits say?",
        "The logits at position t are for the token at t + 1. Cut the last position off the one "
        "and the first off the other; cut the mask as you cut the tokens.",
        "`log_p = logits[:, :-1].log_softmax(-1)`, `log_p.gather(-1, tokens[:, 1:, None])` takes "
        "the right ones out, and `[real[:, 1:]]` leaves the filling out.",
    ],
    "similarity_score": [
        "First find the last real token of each row. Its place is how many real ones there are, "
        "less one.",
        "`features[torch.arange(B), last]` takes one position of each row. Do it for both orders; "
        "each has features of its own.",
        "Add the two *features* and multiply with the weights once. The order of the sum does not "
        "matter, and so neither does that of the texts.",
    ],
    "fine_tuning_loss": [
        "It is a sum of two things that you have: the cross-entropy of the classes, and the loss of "
        "the next token on the same texts.",
        "Both are means, but over different things: one over B examples, the other over all real "
        "tokens that are predicted.",
        "The auxiliary loss is weighted by lambda, the task's by 1. Mind the shift and the filling "
        "once more.",
    ],
}

OPEN_PROBLEM = {
    "title": "What does a pre-trained model know?",
    "text": (
        "Fine-tuning after pre-training beats training from scratch, here as in the paper. That "
        "says that something was carried over, not what. Take one downstream task and find out "
        "which part of what was learnt from raw text is worth how much of the gain: which letters "
        "follow which, which words are frequent, word order within a few tokens, long range, or "
        "just weights of a good size. Design pre-training corpora in which exactly one of these is "
        "left (shuffled words, words drawn by frequency, text of another language, brackets from a "
        "grammar), predict the order before you run, and measure how much of the gain each keeps. "
        "One page, with the code that makes every number on it."
    ),
    "rubric": [
        [
            "At least three damaged corpora, each with the same number of tokens and its own "
            "learning rate in fine-tuning, beside full pre-training and none; five seeds.",
            3,
        ],
        [
            "The predicted order stands in the page with a date before the run, and what came of "
            "it.",
            2,
        ],
        [
            "A control shows that each corpus lost what it should have lost and nothing else (for "
            "instance by the loss of a model of word frequencies, or of neighbours).",
            2,
        ],
        [
            "It is measured at two label counts at least, and the page says whether the order "
            "depends on it.",
            1,
        ],
        ["A rival explanation is named and tried, for instance the size of the weights alone.", 1],
        ["The page says what remains unknown, and its code runs from an empty folder.", 1],
    ],
}


def count_pairs(words: dict[tuple[str, ...], int]) -> dict[tuple[str, str], int]:
    r"""Count which symbols stand side by side. Plain Python is enough.

    The vocabulary of GPT-1 is learnt from counts of pairs. A word is a tuple of symbols, at first
    its letters, the last of which carries the mark `</w>`. Only neighbours *inside* a word count,
    and a word that occurs five times counts five times. A pair that stands twice in a word counts
    twice.

    Given the words and how often each occurs, return each pair of neighbours and how often it
    occurs in all of them.
    """
    raise NotImplementedError


def learn_merges(words: dict[tuple[str, ...], int], n_merges: int) -> list[tuple[str, str]]:
    r"""Learn byte pair encoding as Sennrich et al. print it.

    Count all pairs of neighbours; make the most frequent one a single symbol wherever it stands in
    a word, from left to right; begin again. Of pairs that are equally frequent the one that comes
    first in the alphabet is taken (`min` of the tuples), so that the answer is unique.

    Given the words with their counts, return the first `n_merges` merges, in their order. Stop
    earlier if no pair occurs at least twice.
    """
    raise NotImplementedError


def merge_by_rank(word: tuple[str, ...], merges: list[tuple[str, str]]) -> list[str]:
    r"""Write a new word with the merges that were learnt.

    The model knows the tokens that training has made of its text. To get the same ones, the merges
    have to be applied to a new word in the order in which they were learnt: not from left to right,
    and not the longest first. The merge with the lowest number goes first, everywhere in the word;
    then again, until no neighbouring pair is a merge.

    Given a word as its letters, and the merges in their order, return its symbols.
    """
    raise NotImplementedError


def gelu(x: Tensor) -> Tensor:
    r"""Bend a line softly, in exactly the form that the released weights were trained with.

    GELU multiplies x by the probability that a normal variable is below x. GPT-1 and GPT-2 compute
    an approximation, and their weights belong to it:

    $$\frac{x}{2} \left(1 + \tanh\!\left[\sqrt{2 / \pi}\,(x + 0.044715\,x^3)\right]\right)$$

    Given any tensor, return the same shape. Neither `torch.nn` nor `torch.nn.functional`, please.
    """
    raise NotImplementedError


def multiple_choice(
    context: list[int], answers: list[list[int]], start: int, delimiter: int, extract: int
) -> list[list[int]]:
    r"""Write a question with several answers so that a decoder can judge them.

    A decoder reads one sequence of tokens and nothing else. GPT-1 turns a task into sequences: the
    start token, the context (document and question), the delimiter, one answer, the extract token,
    at which the score is read. Each answer is read by itself, behind the same context.

    Given the tokens of the context, of each answer, and the three special tokens, return one list
    of tokens for each answer, in their order.
    """
    raise NotImplementedError


def next_token_loss(logits: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
    r"""Measure how badly each token is predicted from those before it.

    The logits at position t were computed from tokens 0 to t, and are a guess at token t + 1. So
    the first token is predicted by nothing, and the last logits predict nothing that is there. In a
    batch, shorter rows are filled up; what fills them is no text and must not count.

    $$L = -\frac{1}{n} \sum_{t \ge 1,\ \text{real}} \log p(u_t \mid u_0, \dots, u_{t-1})$$

    Given `logits` of shape (B, T, V), `tokens` of shape (B, T) and `real`, booleans of shape (B, T)
    that are False at the filling (always at the end of a row), return one number, the mean over the
    n real tokens that are predicted. Neither `torch.nn` nor `torch.nn.functional`, please.
    """
    raise NotImplementedError


def similarity_score(
    one_first: Tensor, other_first: Tensor, real: Tensor, weight: Tensor
) -> Tensor:
    r"""Compare two texts without calling one of them the first.

    A decoder reads from left to right, similarity has no direction. So both orders are read; what
    the model knows at the end of each is added, and the sum goes through one matrix:

    $$(h_{ab} + h_{ba}) \, W$$

    Here $h$ are the features at the *last real* token of a row, the extract token: it has seen all
    others. The rows of a batch are unequally long, and filled up at the end. Both orders of a pair
    have the same length.

    Given the features of both orders, each of shape (B, T, D), `real` of shape (B, T), False at the
    filling, and `weight` of shape (D, C), return the scores, of shape (B, C).
    """
    raise NotImplementedError


def fine_tuning_loss(
    scores: Tensor, labels: Tensor, logits: Tensor, tokens: Tensor, real: Tensor, weight: float
) -> Tensor:
    r"""Train for the task, and go on predicting the text a little.

    $$L_3 = L_2 + \lambda L_1$$

    $L_2$ is the cross-entropy of the classes, a mean over the B examples. $L_1$ is the loss of the
    next token on the same inputs, a mean over the real tokens that are predicted (as in
    `next_token_loss`). The paper's $\lambda$ is 0.5.

    Given `scores` of shape (B, C), `labels` (B), `logits` (B, T, V), `tokens` (B, T), `real` (B, T)
    and $\lambda$, return one number. PyTorch's functions are allowed here.
    """
    raise NotImplementedError
