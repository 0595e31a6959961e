"""The palette of pages and mails, computed so that any accent can be read (WCAG 2.2, 1.4.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Rgb = tuple[int, int, int]
READABLE = 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours as `#rrggbb`. `tint` is a quiet ground in the accent's hue."""

    paper: str
    card: str
    ink: str
    soft: str
    line: str
    accent: str
    on_accent: str
    tint: str


def light(accent: str) -> Palette:
    """The palette for daylight."""
    paper, ink = "#fbfaf7", "#1f1d1a"
    readable = _towards(accent, "#000000", lambda colour: contrast(colour, paper) >= READABLE)
    return Palette(
        paper=paper, card="#ffffff", ink=ink, soft="#5c5750", line="#e4dfd6",
        accent=readable, on_accent=_on(readable, ink), tint=mix(readable, "#fbfaf7", 0.08),
    )  # fmt: skip


def dark(accent: str) -> Palette:
    """The palette for the evening."""
    paper, card = "#15171a", "#1d2024"
    readable = _towards(accent, "#ffffff", lambda colour: contrast(colour, card) >= READABLE)
    return Palette(
        paper=paper, card=card, ink="#e8e5df", soft="#a9a59d", line="#32363c",
        accent=readable, on_accent=_on(readable, "#1f1d1a"), tint=mix(readable, paper, 0.12),
    )  # fmt: skip


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    bright, dim = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """`share` of `one` in `other`."""
    a, b = _rgb(one), _rgb(other)
    return "#" + "".join(f"{round(x * share + y * (1 - share)):02x}" for x, y in zip(a, b, strict=True))


def _towards(colour: str, goal: str, enough: Callable[[str], bool]) -> str:
    steps = (mix(goal, colour, step / 50) for step in range(51))
    return next((candidate for candidate in steps if enough(candidate)), goal)


def _on(colour: str, ink: str) -> str:
    return "#ffffff" if contrast("#ffffff", colour) >= READABLE else ink


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(rgb: Rgb) -> float:
    parts = [value / 255 for value in rgb]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
