"""English endings, so that a search for one form of a word may be widened to the others. See `.docs/decisions`."""

from typing import Final

# The longest first.
_ENDINGS: Final = ("ies", "ing", "es", "ed", "s")
# Words that end like this have no ending: business, status, analysis.
_NO_ENDINGS: Final = ("ss", "us", "is")
_MIN_STEM_CHARS = 4


def stem(word: str) -> str:
    """Return the beginning that the forms of an English word share; the word itself if it has no ending."""
    if not (word.isascii() and word.isalpha()) or word.lower().endswith(_NO_ENDINGS):
        return word
    for ending in _ENDINGS:
        if word.lower().endswith(ending) and len(word) >= len(ending) + _MIN_STEM_CHARS:
            return word[: -len(ending)]
    return word
