"""Docstrings as the API pages read them: an extension of griffe, which mkdocstrings reads sources with."""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^(\s*)Example:(?=[ \t]*$)", re.MULTILINE)


class Example(griffe.Extension):
    """Take `Example:` for `Examples:`, the only spelling that griffe reads as code with its output."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite one docstring, as griffe has it in memory."""
        if obj.docstring:
            obj.docstring.value = _EXAMPLE.sub(r"\1Examples:", obj.docstring.value)
