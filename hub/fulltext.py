"""Finding words in bodies: an FTS5 index that is filled behind the head, and the same question asked of plain text.

A word is a run of letters and digits; case and accents don't count. That is what FTS5's unicode61 tokenizer makes of a
text (https://sqlite.org/fts5.html#unicode61_tokenizer), so what the index has not reached yet is found just the same,
and so is everything where Python's sqlite3 has no FTS5.

The index keeps no text of its own: it is an external content table over `messages`.

Each slice that is added stands in a segment of its own, and a search looks into all of them. So they are merged, two of
about the same size at a time: a million messages stand in a handful of segments, and each was copied some ten times.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

TABLE = "full_text"
CREATE = f"""
    CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5(
        body, content='messages', content_rowid='offset', columnsize=0, tokenize='unicode61 remove_diacritics 2'
    )
    """
DROP = f"DROP TABLE IF EXISTS {TABLE}"
AVAILABLE = "SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"

# One slice: rows past what is indexed, until so many bytes are together. (:after, :rows, :bytes)
NEXT_SLICE = """
    SELECT max(offset), count(*)
      FROM (SELECT offset, sum(size) OVER (ORDER BY offset) - size AS before
              FROM (SELECT offset, size FROM messages WHERE offset > :after ORDER BY offset LIMIT :rows))
     WHERE before < :bytes
    """
ADD = f"""
    INSERT INTO {TABLE} (rowid, body)
    SELECT offset, body FROM messages WHERE offset > :after AND offset <= :upto AND body <> '' ORDER BY offset
    """  # noqa: S608
REMOVE = f"""
    INSERT INTO {TABLE} ({TABLE}, rowid, body)
    SELECT 'delete', offset, body FROM messages
     WHERE offset IN (SELECT value FROM json_each(:offsets)) AND offset <= :indexed AND body <> ''
    """  # noqa: S608

# https://sqlite.org/fts5.html#the_merge_command: about so many pages at once; it has changed two rows or more unless
# nothing was left to merge. (:pages)
MERGE = f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('merge', :pages)"  # noqa: S608
MERGES_TWO = f"SELECT 1 FROM {TABLE}_config WHERE k = 'usermerge' AND v = 2"  # noqa: S608
MERGE_TWO = f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('usermerge', 2)"  # noqa: S608

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The words of a text, as they are compared.

    >>> words("Wie groß? GRÖSSE-42!")
    ['wie', 'groß', 'grosse', '42']
    """
    if not text.isascii():
        text = "".join(mark for mark in unicodedata.normalize("NFD", text) if unicodedata.category(mark) != "Mn")
    return _WORD.findall(text.lower())


def match(wanted: list[str]) -> str:
    """An FTS5 expression for bodies that have all these words. Nothing in a word can be read as FTS5's own syntax."""
    return " ".join(f'"{word}"' for word in wanted)


def has_words(body: str, wanted: str) -> bool:
    """Whether a body has all words of `wanted`, which are separated by spaces."""
    return _set(wanted).issubset(words(body))


@lru_cache(maxsize=64)
def _set(wanted: str) -> frozenset[str]:
    return frozenset(wanted.split(" "))
