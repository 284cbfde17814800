"""The bibliography, read for the site: plain words, and each entry as it was written."""

import re
from pathlib import Path

from pybtex.database import parse_string
from pylatexenc.latex2text import LatexNodes2Text

from generators.site.parts import plural

_ENTRY = re.compile(r"^@\w+\{([^,\s]+),.*?^\}", re.M | re.S)
_PLAIN = LatexNodes2Text()


def read(path: Path) -> dict[str, dict[str, str]]:
    """Every entry by key: its fields in plain words, and what is made of them.

    `names` are the authors' family names, `people` their whole ones, `bibtex` is the entry itself.
    """
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    written = {match[1]: match[0] for match in _ENTRY.finditer(text)}
    entries = {}
    for key, entry in parse_string(text, "bibtex").entries.items():
        fields = {
            name: words(value) if name not in ("url", "code") else value
            for name, value in entry.fields.items()
        }
        families, wholes = [], []
        for person in entry.persons.get("author", []):
            family = [*person.prelast_names, *person.last_names]
            families.append(words(" ".join(family)))
            first = [*person.first_names, *person.middle_names]
            wholes.append(words(" ".join([*first, *family, *person.lineage_names])))
        entries[key] = {
            **fields,
            "names": "; ".join(families),
            "people": "; ".join(wholes),
            "bibtex": _without(written.get(key, ""), "code"),
        }
    return entries


def words(latex: str) -> str:
    """LaTeX as plain words."""
    return " ".join(_PLAIN.latex_to_text(latex).split())


def _without(entry: str, field: str) -> str:
    """An entry without a field that is ours alone."""
    return re.sub(rf"^\s*{field}\s*=.*\n", "", entry, flags=re.M)


def authors(entry: dict[str, str]) -> str:
    """The authors in short: "Vaswani and seven others"."""
    names = [name for name in entry.get("names", "").split("; ") if name]
    if len(names) <= 2:
        return " and ".join(names)
    number = (
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    )
    others = len(names) - 1
    return f"{names[0]} and {number[others - 2] if others < 13 else plural(others, 'other').split()[0]} others"


def bibtex(key: str, **fields: str) -> str:
    """An entry for a page of this site."""
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@misc{{{key},\n{lines}}}"
