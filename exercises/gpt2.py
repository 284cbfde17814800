r"""Exercises for "Language Models are Unsupervised Multitask Learners" (GPT-2).

Nine parts, from the number of parameters to attention that remembers its keys. Write your answers
into `my/gpt2.py`, which the first `python -m exercises gpt2` makes, and run the same command again:
it says what is right, what is wrong with the rest, and what is new since the last time. Python,
PyTorch and this project are all that it takes; `--hint to_tokens` shows a hint, and one more each
time. You may solve the exercises in any order: each is checked by itself. One of them is no program
but a proof, of which you hand in the result. The last problem is open and has no published answer.

Letters for sizes: B rows of a batch, T new tokens, P tokens before them, C tokens of the context,
D features of a token, K features of a key, V tokens of the vocabulary, L blocks.
"""

from collections.abc import Callable

from torch import Tensor

EXERCISES = [  # in rising difficulty
    "count_parameters",
    "fair_measures",
    "causal_mask",
    "pre_norm_block",
    "initial_deviations",
    "to_tokens",
    "sampling_distribution",
    "stream_variance",
    "cached_attention",
]

HINTS = {
    "count_parameters": [
        "Make a list first: two tables, then what one block has, then what follows the last block. "
        "Only the block is multiplied by L.",
        "A block has four matrices of D x D in its attention and two of D x 4D in its feed-forward "
        "network. Each has a bias, as long as its output is wide.",
        "Weights of a block: 12 D^2. Biases: 9 D. Two norms with gain and bias: 4 D. One more norm "
        "stands behind the last block, and the output needs no matrix of its own.",
    ],
    "fair_measures": [
        "Both measures begin with the same number: the nats of the whole text.",
        "A nat is 1 / log 2 bits. The bytes are those of the text in UTF-8, where some characters "
        "have more than one.",
        "`total = nats_per_token * n_tokens`; then `total / math.log(2) / len(text.encode())` and "
        "`math.exp(total / len(text.split()))`.",
    ],
    "causal_mask": [
        "Draw it for two new tokens behind three old ones: two rows, five columns. Which entries of "
        "the first row are True?",
        "Row t is the token at place P + t of the whole text. It sees columns 0 to P + t.",
        "`torch.ones(n_new, n_past + n_new, dtype=torch.bool).tril(n_past)`: the diagonal moves to "
        "the right by P.",
    ],
    "pre_norm_block": [
        "There are two sums. In each, what is on the left of the plus sign has not been touched.",
        "A norm stands only in front of a function, never around a sum. And the second sub-layer "
        "reads what the first has made, not the x from the start.",
        "`x = x + attention(ln_1(x))`; the second line looks the same.",
    ],
    "initial_deviations": [
        "Which matrices write into the stream? All others only compute what these write.",
        "Each block writes twice: so there are 2 L such matrices. Independent things add up in "
        "their variances.",
        "A name that ends in `attention.output.weight` or `feed_forward.contract.weight` gets "
        "`deviation / math.sqrt(2 * n_layers)`, every other one `deviation`.",
    ],
    "to_tokens": [
        "Forget the characters as soon as you have the bytes: `text.encode()`. From then on it is "
        "byte pair encoding as in GPT-1.",
        "Keep the symbols as `bytes`: `[bytes([value]) for value in text.encode()]`. The "
        "neighbouring pair with the lowest rank is joined wherever it stands; then look again.",
        "A single byte has the number `symbol[0]`; the symbol that merge number r makes has 256 + r. "
        "A dict from symbols to numbers holds both.",
    ],
    "sampling_distribution": [
        "Four steps, in the order of the text: divide, cut to k, cut to p, softmax. A token is cut "
        "by giving it the logit minus infinity; then the softmax does the rest.",
        "For the nucleus, sort the probabilities downwards. A token stays if the ones *before* it "
        "have less than p together; so the first one always stays.",
        "`ordered, order = logits.softmax(-1).sort(-1, descending=True)`, `out = "
        "ordered.cumsum(-1) - ordered >= p`, and back to the old places: "
        "`out.gather(-1, order.argsort(-1))`.",
    ],
    "stream_variance": [
        "The variance of a sum of independent things is the sum of their variances. How many things "
        "are added up in L blocks?",
        "A matrix that is divided by a number: what happens to the *variance* of its output? And "
        "what does a branch read: the stream, or the stream after a norm?",
        "In 1 and 2 every branch adds the same amount. In 3 and 4 a branch adds in proportion to "
        "what is there already, as a bank does: multiply instead of adding.",
    ],
    "cached_attention": [
        "Three things depend on how many tokens were there before: the positions of the new ones, "
        "which keys they may see, and what you hand on. All of them need P.",
        "`P = len(keys)`. The new tokens stand at places P, P + 1, ...: take these rows of the "
        "positions. New keys and values go *behind* the old ones.",
        "`keys = torch.cat([keys, x @ w_k])`, the same for the values; then the scores of shape "
        "(T, P + T), divided by the root of K and masked as in `causal_mask`.",
    ],
}

OPEN_PROBLEM = {
    "title": "How often must a task be seen to be done when asked?",
    "text": (
        "Nobody trained GPT-2 to translate, but its text contained translations, with words around "
        "them that say what they are. So tasks have to occur in the text; how often, and in how "
        "many forms, no paper says. Find out for one small task. Build a corpus of some plain "
        "language in which now and then a line shows the task with a hint (a reversed word, a "
        "translated one, a sum), and vary one thing: the share of such lines, or in how many "
        "wordings the hint occurs, at an equal number of tokens. Measure how well the task is done "
        "behind the hint, on inputs that were never shown with it. Is there a threshold, or does "
        "it grow evenly with the logarithm of the share? Does the threshold move when the model "
        "grows? Does a hint in new words still work? One page, with the code that makes every "
        "number on it."
    ),
    "rubric": [
        [
            "At least five shares over two orders of magnitude, each with the same number of "
            "tokens, and two sizes of the model; five seeds, and intervals over them.",
            3,
        ],
        [
            "The inputs that are measured never occurred with the hint, and a test shows it.",
            2,
        ],
        [
            "The same outputs were measured without the hint, and with the hint of another task: "
            "the page says what the hint does and what comes from the rest.",
            2,
        ],
        [
            "Threshold or even growth: the page says before the run how they will be told apart, "
            "and what was expected.",
            1,
        ],
        [
            "A rival explanation is named and tried, for instance that rare lines only get too few "
            "steps.",
            1,
        ],
        ["The page says what remains unknown, and its code runs from an empty folder.", 1],
    ],
}


def count_parameters(vocabulary: int, context: int, n_layers: int, d_model: int) -> int:
    r"""Count the numbers that GPT-2 learns. Plain Python is enough.

    The paper's own table is wrong, as its authors say, so count yourself. The model has

    - a vector of D numbers for each of V tokens and for each of C positions,
    - L blocks, each with a layer norm (gain and bias), attention (query, key, value and output, each
      from D to D), a second layer norm, and a feed-forward network (from D to 4D and back),
    - one more layer norm behind the last block.

    Every matrix of a block has a bias. The output uses the vectors of the tokens once more. The
    number of heads changes nothing: they share out the same D features.

    Given V, C, L and D, return the number of parameters, exactly.
    """
    raise NotImplementedError


def fair_measures(nats_per_token: float, n_tokens: int, text: str) -> list[float]:
    r"""Compare models that cut text into different tokens. Plain Python is enough.

    A model's loss is in nats per token: natural logarithms, and a mean over its own tokens. One
    with longer tokens has fewer of them, and each is harder to guess. So the loss of the whole text
    has to be shared out over something that no model can choose: its bytes, or its words.

    $$\text{bits per byte} = \frac{\text{nats of the text}}{\log 2 \cdot \text{bytes}} \qquad
    \text{perplexity per word} = \exp \frac{\text{nats of the text}}{\text{words}}$$

    Given the mean loss, the number of tokens over which it is the mean, and the text, return both
    numbers as a list. Bytes are those of UTF-8; words are what `text.split()` finds.
    """
    raise NotImplementedError


def causal_mask(n_new: int, n_past: int) -> Tensor:
    r"""Say what each new token may look at, when others stand before it.

    In training a whole text is read at once, and the mask is a square. When a model writes, keys
    and values of P tokens are there already, and T new tokens come: one at each step, but several
    at the beginning, or when somebody adds a sentence. Each new token sees all old ones, the new
    ones before it, and itself.

    Given T and P, return booleans of shape (T, P + T), True where a token may look. The old tokens
    come first.
    """
    raise NotImplementedError


def pre_norm_block(
    x: Tensor,
    ln_1: Callable[[Tensor], Tensor],
    attention: Callable[[Tensor], Tensor],
    ln_2: Callable[[Tensor], Tensor],
    feed_forward: Callable[[Tensor], Tensor],
) -> Tensor:
    r"""Put the norms where GPT-2 has them.

    The Transformer and GPT-1 normalise each sum. GPT-2 normalises what a sub-layer *reads*, and
    leaves the sum alone. Nothing stands in the way from the first block to the last.

    $$x \leftarrow x + \mathrm{Attention}(\mathrm{LN}_1(x)) \qquad
    x \leftarrow x + \mathrm{FeedForward}(\mathrm{LN}_2(x))$$

    Given `x` of shape (B, T, D) and the four parts as functions, return what the block makes of x,
    of the same shape.
    """
    raise NotImplementedError


def initial_deviations(names: list[str], n_layers: int, deviation: float) -> list[float]:
    r"""Start the right matrices smaller. Plain Python is enough.

    Every block adds to the stream twice, so a deep model begins with a long sum. GPT-2 divides the
    weights of residual layers by $\sqrt N$ at the start, where N is how many residual layers there
    are. The paper says no more. Read it as people do since: only the matrices whose output is
    *added to the stream* are divided, and every block has two of them.

    The names are those of this project's model: `tokens.weight` and `positions.weight`, and for
    block 0 `blocks.0.attention.query.weight`, `.key.`, `.value.` and, last in the attention,
    `.output.`; then `blocks.0.feed_forward.expand.weight`, from D to 4D, and
    `blocks.0.feed_forward.contract.weight`, back to D.

    Given some of these names, L, and the standard deviation that weights start with, return the
    standard deviation of each, in the order of the names.
    """
    raise NotImplementedError


def to_tokens(text: str, merges: list[tuple[bytes, bytes]]) -> list[int]:
    r"""Write any text whatever in tokens, none of them unknown.

    GPT-1 learns merges of letters, and a letter that it never saw has no token. GPT-2 begins with
    bytes: a text in UTF-8 is a sequence of them, and there are only 256. Merges join bytes, by rank
    as before: the pair that was learnt first goes first, everywhere; then again, until no
    neighbouring pair is a merge.

    A byte's token is its value. Merge number r, counted from 0, makes token 256 + r. No two merges
    make the same bytes here, and the text is one piece: you need not cut it into words.

    Given a text and the merges in their order, return the numbers of its tokens.
    """
    raise NotImplementedError


def sampling_distribution(logits: Tensor, temperature: float, k: int, p: float) -> Tensor:
    r"""Make the logits into the distribution that the next token is drawn from.

    Drawn as they are, the many unlikely tokens add up, and one of them spoils the text. In order:

    1. divide the logits by the temperature;
    2. top-k: rule out all but the k likeliest tokens;
    3. nucleus: of the distribution that is left, which sums to 1 again, keep the fewest tokens,
       the likeliest first, that have a probability of p together, or more; so the one that
       reaches p stays;
    4. what is left sums to 1 once more.

    Given `logits` of shape (B, V), no two of a row equal, a temperature above 0, k from 1 to V and
    p above 0 and at most 1, return the probabilities, of shape (B, V).
    """
    raise NotImplementedError


def stream_variance(n_layers: int, start: float, branch: float) -> list[float]:
    r"""Prove how the stream grows with depth before anything is learnt; no tensors.

    The stream x begins with a variance of s, and each of L blocks adds two branches to it. At the
    start, before training, a branch is random: what it adds is independent of all that is there,
    with a mean of 0. If it reads something of variance 1, what it adds has the variance v; if it
    reads something of variance c, it is c v. The last matrix of a branch has no bias. Which
    variance has the stream after L blocks,

    1. if a norm stands in front of every branch, so that it reads a variance of 1;
    2. as 1, and the last matrix of every branch is divided by $\sqrt{2 L}$;
    3. if there is no norm, and a branch reads the stream as it is;
    4. as 3, and the last matrix of every branch is divided by $\sqrt{2 L}$?

    Given L, s and v, return the four numbers as a list. Work them out on paper: the grader says
    which are wrong, but no numbers.
    """
    raise NotImplementedError


def cached_attention(
    tokens: Tensor,
    keys: Tensor,
    values: Tensor,
    embedding: Tensor,
    positions: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Read on without reading everything again.

    Keys and values of a token depend on nothing that comes after it. So they are computed once and
    kept, and a new token costs one row of the scores instead of all of them. The result must be the
    same as if the whole text had been read at once. Here is a first layer with a single head and no
    norm. For the new token $u_t$, with t counted from 0 and P tokens before the new ones:

    $$x_t = E_{u_t} + p_{P + t} \qquad q_t = x_t W_q \quad k_t = x_t W_k \quad v_t = x_t W_v$$

    Each new token looks at all old ones, the new ones before it and itself; scores are divided by
    $\sqrt K$.

    Given T new `tokens`, the `keys` and `values` kept so far, of shape (P, K), where P may be 0, the
    `embedding` (V, D), the `positions` (C, D) and three matrices (D, K), return what attention finds
    for the new tokens, of shape (T, K), and the keys and the values to keep from now on, both of
    shape (P + T, K), oldest first.
    """
    raise NotImplementedError
