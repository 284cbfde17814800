"""Formulas in a line of text: how a tree is written, and how a reader reads it back.

The writer and the reader share the tables of small letters and nothing else, so that "reads back
as the same tree" is a proof and not an echo.
"""

import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

# A tree is nested tuples: ("symbol", text, style), ("script", base, below, above),
# ("fraction", row, row), ("root", row), ("accent", mark, symbol), ("fence", open, row, close);
# a row is a tuple of nodes. A style is "i" (italic, a variable), "b" (bold) or "n" (upright).
Node = tuple[Any, ...]
Row = tuple[Node, ...]
Run = tuple[str, str]  # text, style


def pairs(text: str) -> dict[str, str]:
    """A table from words that take turns as name and value."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


def symbol(text: str, style: str = "n") -> Node:
    """A word, a number, a variable or a sign."""
    return ("symbol", text, style)


class Cursor:
    """A list being read from the left."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = list(items)
        self.place = 0

    @property
    def next(self) -> Any:
        """What would be taken; None at the end."""
        return self.items[self.place] if self.place < len(self.items) else None

    def take(self) -> Any:
        """The next item."""
        item = self.next
        self.place += 1
        return item

    def number(self, letter: Callable[[Any], str]) -> str:
        """Digits, with a decimal point or a thousands comma only between two digits."""
        digits = ""
        while self.next is not None and letter(self.next):
            point = letter(self.next) in ".,"
            after = self.items[self.place + 1] if self.place + 1 < len(self.items) else None
            if point and not (after is not None and letter(after).isdigit()):
                break
            digits += letter(self.take())
        return digits


# --- Tree to text --------------------------------------------------------------------------------

ACCENTS = {
    name: chr(int(code, 16))
    for name, code in pairs(
        "hat 302 widehat 302 bar 304 overline 304 tilde 303 widetilde 303 dot 307 ddot 308 vec 20D7"
    ).items()
}
OPEN = pairs(r"( ( [ [ \{ { \lbrace { \langle ⟨ \lfloor ⌊ \lceil ⌈")
CLOSE = pairs(r") ) ] ] \} } \rbrace } \rangle ⟩ \rfloor ⌋ \rceil ⌉")
_BELOW = dict(
    zip(
        "0123456789+−=()aehijklmnoprstuvxβγρφχ",
        "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ",
        strict=True,
    )
)
_ABOVE = dict(
    zip(
        "0123456789+−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW⊤",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵀ",
        strict=True,
    )
)
_RELATIONS = set("=<>≤≥≠≈≡∼∝≪≫∈∉⊂⊆→←↦⇒⇔:")
_SPACED = _RELATIONS | set("+−×·±∓÷⊙⊕⊗∘∗⋆∪∩∧∨")
_SEPARATORS = {",", ";"}
_BIG = {"∑", "∏", "∫", "∀", "∃"}


def write(row: Row, tight: bool = False) -> list[Run]:
    """The runs of a row; `tight` (inside a script) leaves the spaces round operators out."""
    conditional = sum(node == symbol("|") for node in row) == 1
    runs: list[Run] = []
    for place, node in enumerate(row):
        before = row[place - 1] if place else None
        after = row[place + 1] if place + 1 < len(row) else None
        sign = node[1] if node[0] == "symbol" else ""
        if sign in _SPACED or (sign == "|" and conditional):
            unary = before is None or _sign(before) in _SPACED | _SEPARATORS
            blank = "" if tight or unary or after is None else " "
            runs.append((blank + sign + blank, "n"))
        elif sign in _SEPARATORS:
            runs.append((sign + ("" if tight or after is None else " "), "n"))
        else:
            text = _write_node(node, tight)
            if node[0] == "fraction" and any(_touches(side) for side in (before, after)):
                text = [("(", "n"), *text, (")", "n")]
            if before is not None and _apart(before, node):
                runs.append((" ", "n"))
            runs += text
    return runs


def _write_node(node: Node, tight: bool) -> list[Run]:
    kind = node[0]
    if kind == "symbol":
        return [(node[1], node[2])]
    if kind == "accent":
        return [(node[2][1] + node[1], node[2][2])]
    if kind == "fence":
        return [(node[1], "n"), *write(node[2], tight), (node[3], "n")]
    if kind == "root":
        plain = len(node[1]) == 1 and node[1][0][0] == "symbol"
        inside = write(node[1], tight)
        return [("√", "n"), *(inside if plain else [("(", "n"), *inside, (")", "n")])]
    if kind == "fraction":
        return [*_operand(node[1], tight), ("/", "n"), *_operand(node[2], tight)]
    _, base, below, above = node
    runs = _write_node(base, tight)
    for sign, letters, script in (("_", _BELOW, below), ("^", _ABOVE, above)):
        if script is not None:
            runs += _small(script, letters) or _spelt(script, sign)
    return runs


def _small(script: Row, letters: dict[str, str]) -> list[Run]:
    """The script in Unicode's small letters, if each of its characters has one; else nothing."""
    runs: list[Run] = []
    for node in script:
        if node[0] == "fence":
            inside = _small(node[2], letters)
            runs += [(node[1], "n"), *inside, (node[3], "n")] if inside else [(" ", "n")]
        elif (
            node[0] == "symbol"
            and (node[1].isdigit() or len(node[1]) == 1)
            and node[1:] != ("T", "n")
        ):
            runs.append(node[1:])
        else:
            return []
    known = set(letters) | set(letters.values())
    if any(letter not in known for text, _ in runs for letter in text):
        return []
    return [
        ("".join(letters.get(letter, letter) for letter in text), style) for text, style in runs
    ]


def _spelt(script: Row, sign: str) -> list[Run]:
    inside = write(script, tight=True)
    if len(script) == 1 and script[0][0] == "symbol":
        return [(sign, "n"), *inside]
    return [(f"{sign}(", "n"), *inside, (")", "n")]


def _operand(row: Row, tight: bool) -> list[Run]:
    inside = write(row, tight)
    if len(row) == 1 and row[0][0] != "fraction":
        return inside
    return [("(", "n"), *inside, (")", "n")]


def _sign(node: Node) -> str:
    return node[1] if node[0] == "symbol" else ""


def _touches(node: Node | None) -> bool:
    return node is not None and _sign(node) not in _SPACED | _SEPARATORS | {"|"}


def _head(node: Node) -> str:
    """The upright word, number or big operator that a node starts with."""
    head = node[1] if node[0] == "script" else node
    upright = head[0] == "symbol" and head[2] != "i"
    return head[1] if upright and (head[1][0].isalnum() or head[1] in _BIG) else ""


def _apart(before: Node, node: Node) -> bool:
    """Whether a space must (for the second parser) or should (for people) stand between the two."""
    opens = node[0] == "fence" or (_sign(node) and not _sign(node)[0].isalnum() and not _head(node))
    closes = _sign(before) and not _sign(before)[0].isalnum() and not _head(before)
    if opens or closes:
        return False
    spelt = before[0] == "script" and any(
        part is not None and not _small(part, letters)
        for part, letters in ((before[2], _BELOW), (before[3], _ABOVE))
    )
    left, right = _head(before), _head(node)
    if left[:1].isdigit() and not right:
        return False
    return bool(
        spelt or (left and right) or any(len(w) > 1 or w in _BIG for w in (left, right) if w)
    )


# --- Text to tree: the second parser -------------------------------------------------------------

_MARKS = set(ACCENTS.values())


class Text(Cursor):
    """Styled characters, read by the conventions of the linear form."""

    def row(self, until: Callable[[Any], bool] = lambda item: False) -> Row:
        """Everything up to the end, or to what `until` names."""
        nodes: list[Node] = []
        while self.next is not None and not until(self.next):
            if self.next[0].isspace():
                self.take()
                continue
            node = self.atom()
            below = self.script("_", _BELOW)
            above = self.script("^", _ABOVE)
            nodes.append(node if below is above is None else ("script", node, below, above))
        return tuple(nodes)

    def atom(self) -> Node:
        """One thing without its scripts."""
        letter, style = self.next
        if letter.isdigit() and letter.isascii() and style == "n":
            return symbol(self.number(lambda item: item[0] if item[0] in "0123456789.," else ""))
        if letter in OPEN.values():
            self.take()
            row = self.row(lambda item: item[0] in CLOSE.values())
            closing = self.take()
            return ("fence", letter, row, closing[0] if closing else "")
        if letter == "√":
            self.take()
            inside = self.atom()
            return ("root", inside[2] if inside[0] == "fence" else (inside,))
        self.take()
        if style == "i" or not letter.isalpha():
            return self.accented(letter, style)
        word = letter
        while self.next is not None and self.next[1] == style and self.is_letter(self.next[0]):
            word += self.take()[0]
        return self.accented(word, style)

    @staticmethod
    def is_letter(letter: str) -> bool:
        """Whether it belongs to a word: small letters above and below the line are scripts."""
        return letter.isalpha() and letter not in _BELOW.values() and letter not in _ABOVE.values()

    def accented(self, text: str, style: str) -> Node:
        """A symbol, with the accent that follows it."""
        if self.next is not None and self.next[0] in _MARKS:
            return ("accent", self.take()[0], symbol(text, style))
        return symbol(text, style)

    def script(self, sign: str, letters: dict[str, str]) -> Row | None:
        """What stands above or below the last atom, in small letters or spelt out."""
        back = {small: plain for plain, small in letters.items()}
        if self.next is not None and self.next[0] == sign and self.next[1] == "n":
            self.take()
            inside = self.atom()
            return inside[2] if inside[0] == "fence" and inside[1] == "(" else (inside,)
        inside = []
        while self.next is not None and self.next[0] in back:
            small, style = self.take()
            inside.append(("T" if (small, style) == ("ᵀ", "i") else back[small], style))
        return Text(inside).row() if inside else None


# --- Equality ------------------------------------------------------------------------------------


def same(row: Row) -> Row:
    """A row up to the brackets of fractions: `(a)/(b)`, `a/b` and a stacked fraction are one."""
    nodes: list[Node] = []
    for node in (_same_node(node) for node in row):
        if len(nodes) > 1 and nodes[-1] == symbol("/"):
            nodes.pop()
            nodes.append(("fraction", _bare(nodes.pop()), _bare(node)))
        else:
            nodes.append(node)
    return tuple(nodes)


def _same_node(node: Node) -> Node:
    if node[0] == "fraction":
        parts = [same(part) for part in node[1:]]
        return ("fraction", *(_bare(part[0]) if len(part) == 1 else part for part in parts))
    if node[0] == "fence":
        row = same(node[2])
        only = len(row) == 1 and row[0][0] == "fraction" and node[1] + node[3] == "()"
        return row[0] if only else ("fence", node[1], row, node[3])
    if node[0] == "root":
        return ("root", same(node[1]))
    if node[0] == "script":
        parts = [None if part is None else same(part) for part in node[2:]]
        return ("script", _same_node(node[1]), *parts)
    return node


def _bare(node: Node) -> Row:
    return node[2] if node[0] == "fence" and node[1] + node[3] == "()" else (node,)


def read(runs: Iterable[Run]) -> Row:
    """The tree that a reader of the linear form sees."""
    letters = [
        (letter, style) for text, style in runs for letter in unicodedata.normalize("NFD", text)
    ]
    return same(Text(_rejoined(letters)).row())


def _rejoined(letters: list[Run]) -> list[Run]:
    """Undo what NFD split besides our accents: ≠ is base and stroke, the é of a word is whole."""
    joined: list[Run] = []
    for letter, style in letters:
        whole = joined and unicodedata.combining(letter) and (letter not in _MARKS or style == "n")
        if whole:
            joined[-1] = (unicodedata.normalize("NFC", joined[-1][0] + letter), style)
        else:
            joined.append((letter, style))
    return joined


def merged(runs: Iterable[Run]) -> list[Run]:
    """Neighbours of the same style as one run."""
    merged: list[Run] = []
    for text, style in runs:
        if merged and merged[-1][1] == style:
            merged[-1] = (merged[-1][0] + text, style)
        else:
            merged.append((unicodedata.normalize("NFC", text), style))
    return [(unicodedata.normalize("NFC", text), style) for text, style in merged]
