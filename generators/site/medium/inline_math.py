r"""Inline formulas as text, proven reversible, or refused: Medium knows no formula.

`linear(r"W^Q_i \in \mathbb{R}^{d \times k}")` gives styled runs: *W*ᵢ^*Q* ∈ ℝ^(*d*×*k*).
A second parser reads the runs back; its tree must be the tree of the LaTeX, up to spaces and the
brackets that a fraction on one line needs. What has no rule is refused, never dropped.
"""

from collections.abc import Callable, Iterable
from typing import Any

from pylatexenc import latexwalker, macrospec

from generators.site.medium.linear import (
    ACCENTS,
    CLOSE,
    OPEN,
    Cursor,
    Node,
    Row,
    Run,
    Text,
    merged,
    pairs,
    read,
    same,
    symbol,
    write,
)


class Refused(ValueError):
    """A formula that cannot be told in a line of text without loss."""


# --- The closed list of what LaTeX may say -------------------------------------------------------


_VARIABLES = pairs(
    "alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ iota ι kappa κ "
    "lambda λ mu μ nu ν xi ξ pi π rho ρ sigma σ tau τ upsilon υ phi ϕ varphi φ chi χ psi ψ "
    "omega ω ell ℓ"
)
_CAPITALS = pairs(
    "Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Upsilon Υ Phi Φ Psi Ψ Omega Ω"
)
_WORDS = "log exp max min sup inf sin cos tan tanh sinh cosh ln lim arg det dim gcd deg ker hom Pr".split()
_OPERATORS = pairs(
    "times × cdot · pm ± mp ∓ div ÷ odot ⊙ oplus ⊕ otimes ⊗ circ ∘ ast ∗ star ⋆ cup ∪ cap ∩ "
    "le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ approx ≈ equiv ≡ sim ∼ propto ∝ ll ≪ gg ≫ in ∈ notin ∉ "
    "subset ⊂ subseteq ⊆ to → rightarrow → leftarrow ← gets ← mapsto ↦ Rightarrow ⇒ "
    "Leftrightarrow ⇔ mid | vert | lvert | rvert | | ‖ Vert ‖ lVert ‖ rVert ‖ top ⊤ sum ∑ prod ∏ "
    "int ∫ partial ∂ nabla ∇ infty ∞ ldots … dots … cdots ⋯ forall ∀ exists ∃ prime ′ % % "
    "colon : _ _ # # emptyset ∅ wedge ∧ vee ∨"
)
_CHARACTERS = {"-": "−", "*": "∗", "'": "′", **{sign: sign for sign in "+=<>|/:;,!.%"}}
_UPRIGHT = ("text", "mathrm", "operatorname", "textrm", "mathsf", "mathtt", "texttt")
_BOLD = ("mathbf", "boldsymbol", "textbf", "bm")
_BLANK = (",", ";", ":", "!", " ", "quad", "qquad", "thinspace", "displaystyle", "textstyle")
_SIZES = [size + side for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")]
_DOUBLE = {**dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True)), "1": "𝟙"}
_SCRIPT = dict(zip("BEFHILMR", "ℬℰℱℋℐℒℳℛ", strict=True))

_CONTEXT = macrospec.LatexContextDb()
_CONTEXT.add_context_category(
    "inline",
    macros=[
        *(macrospec.std_macro(name, False, 2) for name in ("frac", "tfrac", "dfrac")),
        *(macrospec.std_macro(name, False, 1) for name in (*ACCENTS, *_UPRIGHT, *_BOLD)),
        *(macrospec.std_macro(name, False, 1) for name in ("mathbb", "mathcal")),
        macrospec.std_macro("sqrt", True, 1),
        macrospec.MacroSpec("operatorname", "*{"),
    ],
)
_CONTEXT.set_unknown_macro_spec(macrospec.MacroSpec(""))


def _upright(text: str, style: str = "n") -> Row:
    """Words, numbers and signs of plain text, in order."""
    return Text([(letter, style) for letter in text]).row()


# --- LaTeX to tree -------------------------------------------------------------------------------


class _Latex(Cursor):
    """LaTeX as a list of characters (str) and of pylatexenc's macros and groups."""

    def __init__(self, nodes: Iterable[Any]) -> None:
        items: list[Any] = []
        for node in nodes:
            if isinstance(node, latexwalker.LatexCharsNode):
                items += node.chars
            elif isinstance(node, latexwalker.LatexMacroNode | latexwalker.LatexGroupNode):
                items.append(node)
            else:
                raise Refused(f"{node.latex_verbatim()} has no form in a line of text")
        super().__init__(items)

    def row(self, until: Callable[[Any], bool] = lambda item: False) -> Row:
        nodes: list[Node] = []
        while self.next is not None and not until(self.next):
            found, whole = self.primary()
            if _name(self.next) in ("_", "^"):
                if not found and not nodes:
                    raise Refused("a script without a base")
                found = found or [nodes.pop()]
                if whole and not (len(found) == 1 and found[0][0] in ("symbol", "accent", "fence")):
                    found = [("fence", "(", tuple(found), ")")]
                found[-1] = self.scripts(found[-1])
            nodes += found
        return tuple(nodes)

    def scripts(self, base: Node) -> Node:
        parts: dict[str, Row] = {}
        while _name(self.next) in ("_", "^"):
            kind = self.take()
            if kind in parts:
                raise Refused(f"two {kind} on one base")
            while _name(self.next) == " ":
                self.take()
            if self.next is None:
                raise Refused(f"nothing after {kind}")
            parts[kind] = tuple(self.primary()[0])
        if base[0] in ("root", "fraction"):
            base = ("fence", "(", (base,), ")")
        return ("script", base, parts.get("_"), parts.get("^"))

    def primary(self) -> tuple[list[Node], bool]:
        """The next thing, and whether it must be bracketed before it takes a script."""
        item = self.next
        if isinstance(item, latexwalker.LatexGroupNode):
            self.take()
            return list(_Latex(item.nodelist).row()), True
        if isinstance(item, latexwalker.LatexMacroNode):
            return self.macro(self.take())
        if item.isspace() or item == "~":
            self.take()
            return [], False
        if item.isdigit():
            return [symbol(self.number(_digit))], False
        if item.isalpha() and item.isascii():
            return [symbol(self.take(), "i")], False
        if item in OPEN:
            return [self.fence(OPEN[self.take()])], False
        if item in _CHARACTERS:
            return [symbol(_CHARACTERS[self.take()])], False
        raise Refused(f'"{item}" has no rule')

    def macro(self, node: Any) -> tuple[list[Node], bool]:
        name = node.macroname
        arguments = [part for part in (node.nodeargd.argnlist if node.nodeargd else []) if part]
        if name in _BLANK or name in _SIZES:
            return [], False
        if name in _VARIABLES:
            return [symbol(_VARIABLES[name], "i")], False
        if name in _CAPITALS:
            return [symbol(_CAPITALS[name])], False
        if name in _WORDS:
            return [symbol(name)], False
        if name == "left":
            return self.between()
        if _name(node) in OPEN:
            return [self.fence(OPEN[_name(node)])], False
        if name in _OPERATORS:
            return [symbol(_OPERATORS[name])], False
        if name in ("frac", "tfrac", "dfrac"):
            return [("fraction", *(_argument(part) for part in arguments))], True
        if name == "sqrt" and len(arguments) == 1:
            return [("root", _argument(arguments[0]))], True
        if name in ACCENTS:
            return [_accent(name, _argument(arguments[0]))], False
        if name in _UPRIGHT or name in _BOLD:
            return list(_styled(arguments[-1], "b" if name in _BOLD else "n")), True
        if name in ("mathbb", "mathcal"):
            return [_lettered(name, _plain(arguments[0]))], False
        raise Refused(f"\\{name} has no rule")

    def fence(self, opening: str) -> Node:
        row = self.row(lambda item: _name(item) in CLOSE)
        if self.next is None:
            raise Refused(f'"{opening}" is not closed')
        return ("fence", opening, row, CLOSE[_name(self.take())])

    def between(self) -> tuple[list[Node], bool]:
        r"""What stands between \left and \right."""
        opening = _name(self.take())
        row = self.row(lambda item: _name(item) == r"\right")
        self.take()
        closing = _name(self.take()) if self.next is not None else ""
        if opening in OPEN and closing in CLOSE:
            return [("fence", OPEN[opening], row, CLOSE[closing])], False
        signs = _CHARACTERS | {"\\" + name: sign for name, sign in _OPERATORS.items()}
        if opening in signs and closing in signs:
            return [symbol(signs[opening]), *row, symbol(signs[closing])], False
        raise Refused(rf"\left{opening} ... \right{closing} has no rule")


def _digit(item: Any) -> str:
    """A digit, a point, or the {,} between thousands; else nothing."""
    if isinstance(item, latexwalker.LatexGroupNode):
        return "," if item.latex_verbatim() == "{,}" else ""
    return item if isinstance(item, str) and (item.isdigit() or item == ".") else ""


def _name(item: Any) -> str:
    """A character, or a macro with its backslash; nothing for a group."""
    if isinstance(item, latexwalker.LatexMacroNode):
        return "\\" + item.macroname
    return item if isinstance(item, str) else ""


def _argument(node: Any) -> Row:
    return _Latex(node.nodelist if hasattr(node, "nodelist") else [node]).row()


def _plain(node: Any) -> str:
    text = node.latex_verbatim().strip("{}").replace(r"\,", " ")
    if any(sign in text for sign in "\\{}$_^"):
        raise Refused(f"{node.latex_verbatim()} holds more than plain letters")
    return text


def _styled(node: Any, style: str) -> Row:
    if style == "b" and "\\" in node.latex_verbatim():
        return tuple((kind, text, "b") for kind, text, *_ in _argument(node))
    return _upright(_plain(node).replace("~", " "), style)


def _accent(name: str, row: Row) -> Node:
    if len(row) != 1 or row[0][0] != "symbol" or row[0][2] == "n":
        raise Refused(f"\\{name} over more than one variable")
    return ("accent", ACCENTS[name], row[0])


def _lettered(name: str, letter: str) -> Node:
    known, start = (_DOUBLE, 0x1D538) if name == "mathbb" else (_SCRIPT, 0x1D49C)
    if letter not in known and not (len(letter) == 1 and "A" <= letter <= "Z"):
        raise Refused(f"\\{name}{{{letter}}}: only single capitals")
    return symbol(known.get(letter) or chr(start + ord(letter) - ord("A")))


# --- The proof -----------------------------------------------------------------------------------


def linear(latex: str) -> list[Run]:
    r"""The formula as runs of text, each with its style: "i" italic, "b" bold, "n" upright.

    Raises:
        Refused: a macro without a rule, or a text that does not read back as the same formula.

    Example:
        >>> linear(r"d_k = d_{\text{model}} / 8")
        [('dₖ', 'i'), (' = ', 'n'), ('d', 'i'), ('_model/8', 'n')]
    """
    try:
        walker = latexwalker.LatexWalker(latex, latex_context=_CONTEXT, tolerant_parsing=False)
        nodes = walker.get_latex_nodes(parsing_state=walker.make_parsing_state(in_math_mode=True))[
            0
        ]
        tree = _Latex(nodes).row()
    except latexwalker.LatexWalkerError as error:
        raise Refused(f"{latex}: {error}") from error
    except Refused as error:
        raise Refused(f"{latex}: {error}") from None
    if not tree:
        raise Refused("an empty formula")
    runs = merged(write(tree))
    back = read(runs)
    if back != same(tree):
        text = "".join(part for part, _ in runs)
        raise Refused(
            f"{latex}: as text it would be {text}, which does not read back as the same formula"
        )
    return runs
