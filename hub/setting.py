"""Kinds of settings: what a value may be, how it is read from text or TOML, and how it is shown again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hub.units import seconds, size, size_text, span_text

YES = {"1", "true", "yes", "on"}
NO = {"0", "false", "no", "off"}


class Setting:
    """One setting: `about` says what it is for. A kind is a subclass; this one takes any text.

    `read` gets text (flag, environment) or a TOML value and raises ValueError with what would be right.
    """

    kind = "text"
    unit = ""

    def __init__(
        self, about: str, *, default: str | None = None, limit: str = "", scope: str = "hub", in_file: bool = True
    ) -> None:
        self.about = about
        self.default_text = default  # where the default is worked out, how it is told
        self.limit = limit
        self.scope = (
            scope  # "hub": what `serve` takes as a flag; "both": what every verb needs; "agent": what mcp needs
        )
        self.in_file = in_file  # false: it says where the file is

    def read(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            raise ValueError("a text that is not empty")
        return value.strip()

    def show(self, value: Any) -> str:
        return str(value)


class Secret(Setting):
    """A text that is never shown."""

    kind = "secret"

    def show(self, value: Any) -> str:
        return "(set; not shown)"


class Folder(Setting):
    kind = "path"

    def read(self, value: Any) -> Path:
        return Path(super().read(value)).expanduser().absolute()


class Switch(Setting):
    kind = "yes or no"

    def read(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word not in YES | NO:
            raise ValueError("true or false")
        return word in YES

    def show(self, value: Any) -> str:
        return "true" if value else "false"


class Choice(Setting):
    kind = "choice"

    def __init__(self, about: str, *words: str, **more: Any) -> None:
        super().__init__(about, limit=" or ".join(words), **more)
        self.words = words

    def read(self, value: Any) -> str:
        word = str(value).strip().lower()
        if word not in self.words:
            raise ValueError(self.limit)
        return word


class Words(Setting):
    """Several texts: a TOML list, or text with commas between them."""

    kind = "list"

    def read(self, value: Any) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise ValueError("texts with commas between them")
        return tuple(part.strip() for part in parts if part.strip())

    def show(self, value: Any) -> str:
        return ", ".join(value)


class Number(Setting):
    """A number between `least` and `most`, both allowed."""

    kind = "number"
    example = ""

    def __init__(self, about: str, *, least: float = 0, most: float | None = None, **more: Any) -> None:
        self.least, self.most = least, most
        limit = f"{self.show(least)} or more" if most is None else f"{self.show(least)} to {self.show(most)}"
        super().__init__(about, limit=more.pop("limit", limit), **more)

    def read(self, value: Any) -> float:
        try:
            number = self.parse(value) if isinstance(value, str) else self.plain(value)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"a {self.kind}{self.example}") from None
        if not self.least <= number <= (self.most if self.most is not None else number):  # NaN is not in any range
            raise ValueError(f"a {self.kind} of {self.limit}")
        return number

    def parse(self, text: str) -> float:
        return int(text.strip().replace("_", ""))

    def plain(self, value: Any) -> float:
        """What a TOML value, or one from Python, stands for."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError
        return value

    def show(self, value: Any) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)


class Span(Number):
    """A span of time; its value is seconds."""

    kind = "duration"
    unit = "seconds"
    example = " such as 90s, 15m or 7d"

    def parse(self, text: str) -> float:
        return seconds(text)

    def __init__(self, about: str, *, least: float = 0, most: float = 36_500 * 86_400, **more: Any) -> None:
        super().__init__(about, least=least, most=most, **more)

    def plain(self, value: Any) -> float:
        return float(value if isinstance(value, float) else super().plain(value))

    def show(self, value: Any) -> str:
        return span_text(value)


class Size(Number):
    """A size; its value is bytes."""

    kind = "size"
    unit = "bytes"
    example = " such as 64MiB or 1GiB"

    def parse(self, text: str) -> float:
        return size(text)

    def show(self, value: Any) -> str:
        return size_text(value)
