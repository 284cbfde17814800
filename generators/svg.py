"""Slims the SVG that matplotlib writes: the same picture at a sixth of the bytes, and the same bytes each time."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from generators.palette import schemes, with_variables

NAMESPACE = "http://www.w3.org/2000/svg"
HREF = "{http://www.w3.org/1999/xlink}href"
GLYPH_SCALE = "scale(0.015625)"  # matplotlib draws a glyph on a grid of 64 units a pixel ...
COARSER = 16  # ... of which four are plenty at the size of a figure's text
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_BASE = "*{stroke-linejoin:round;stroke-linecap:butt}"


class NotAllowed(ValueError):
    """Something that a figure of the house does not hold."""


def slim(text: str) -> str:
    """Round coordinates, shorten ids, drop what draws nothing, and turn sentinel colours into variables."""
    root = ElementTree.fromstring(text)
    _refuse_rasters(root)
    _drop(root, "style")
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{NAMESPACE}}}")
        element.text = element.tail = None
        _shorten(element)
    _rename(root)
    _unwrap(root)
    size = {side: _rounded(root.get(side, "").removesuffix("pt")) for side in ("width", "height")}
    root.attrib = {"xmlns": NAMESPACE, "viewBox": f"0 0 {size['width']} {size['height']}", **size}
    drawn = with_variables(
        ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    )
    opening, rest = drawn.replace(" />", "/>").split(">", 1)
    return f"{opening}><style>{_BASE}{schemes(rest)}</style>{rest}\n"


def _refuse_rasters(root: Element) -> None:
    if root.find(f".//{{{NAMESPACE}}}image") is not None:
        raise NotAllowed("a figure holds a raster image; draw rectangles instead (charts.heatmap)")


def _drop(root: Element, tag: str) -> None:
    for parent in list(root.iter()):
        for child in parent.findall(f"{{{NAMESPACE}}}{tag}"):
            parent.remove(child)


def _shorten(element: Element) -> None:
    """Coordinates to a tenth of a pixel, glyphs to a quarter of theirs, styles without blanks."""
    attributes = element.attrib
    if HREF in attributes:
        attributes["href"] = attributes.pop(HREF)
    if attributes.get("transform") == GLYPH_SCALE and "d" in attributes:  # a blank has no outline
        attributes["transform"] = f"scale({1 / 64 * COARSER:g})"
        attributes["d"] = _relative(
            _NUMBER.sub(lambda n: f"{float(n[0]) / COARSER:.0f}", attributes["d"])
        )
    elif "d" in attributes:
        attributes["d"] = _relative(_NUMBER.sub(lambda n: _rounded(n[0]), attributes["d"]))
    elif "transform" in attributes:
        attributes["transform"] = re.sub(
            r"translate\(([^)]*)\)",
            lambda t: f"translate({_NUMBER.sub(lambda n: _rounded(n[0]), t[1])})",
            attributes["transform"],
        )
    for name in ("x", "y"):
        if name in attributes:
            attributes[name] = _rounded(attributes[name])
    if "style" in attributes:
        attributes["style"] = re.sub(r"\s*([:;])\s*", r"\1", attributes["style"]).strip("; ")


def _rounded(number: str) -> str:
    return f"{round(float(number), 1) + 0:g}"  # + 0 turns -0 into 0


def _relative(path: str) -> str:
    """The same path, each point told from the one before: small numbers, which pack well.

    Coordinates are rounded before, so that what is added up again is what it was.
    """
    written, here, start = [], (0.0, 0.0), (0.0, 0.0)
    for command, rest in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        if command not in "MLQCz":
            raise NotAllowed(f"a path has the command {command}, which matplotlib does not write")
        numbers = [float(number) for number in _NUMBER.findall(rest)]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        steps, each = (
            [],
            {"Q": 2, "C": 3}.get(command, 1),
        )  # points of one curve: told from its start
        for index, (x, y) in enumerate(points):
            steps += [_rounded(str(x - here[0])), _rounded(str(y - here[1]))]
            if index % each == each - 1:
                here = (x, y)
        if command == "M":
            start = here
        if command == "z":
            here = start
        written.append(command.lower() + " ".join(steps).replace(" -", "-"))
    return "".join(written)


def _rename(root: Element) -> None:
    """Keep only ids that something points at; call them a, b, c ... in their order."""
    text = ElementTree.tostring(root, encoding="unicode")
    wanted = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    names: dict[str, str] = {}
    for element in root.iter():
        if (name := element.attrib.pop("id", None)) in wanted:
            element.set("id", names.setdefault(name, f"i{len(names)}"))
    for element in root.iter():
        for attribute, value in element.attrib.items():
            if attribute == "href":
                element.set("href", f"#{names[value[1:]]}")
            elif "url(#" in value:
                element.set(
                    attribute,
                    re.sub(r"url\(#([^)]+)\)", lambda url: f"url(#{names[url[1]]})", value),
                )


def _unwrap(element: Element) -> None:
    """Take out groups without attributes, and whatever draws nothing."""
    children = []
    for child in element:
        _unwrap(child)
        if _draws_nothing(child):
            continue
        children.extend(child if child.tag == "g" and not child.attrib else [child])
    element[:] = children


def _draws_nothing(element: Element) -> bool:
    if element.tag in ("g", "defs"):
        return not len(element)
    return element.get("style") == "fill:none" or (
        element.tag == "clipPath" and "id" not in element.attrib
    )
