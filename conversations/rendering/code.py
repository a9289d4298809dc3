"""Code blocks, coloured by Pygments' classes for the languages that answers are written in."""

from collections.abc import Iterator

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

from conversations.rendering import characters
from omniviewer.time_limit import Clock, TooCostly

# Seconds for all blocks of an answer; the rest is shown without colours.
ALLOWANCE = 0.3
# Most characters that are coloured, in all and in a line: lexers take quadratic time in a line, between two ticks.
LONGEST = 20_000
LONGEST_LINE = 1_000
# Only a few, so that nobody can choose the worst case of an exotic lexer.
_LANGUAGES = {
    "bash": "bash", "bigquery": "sql", "console": "bash", "css": "css", "csv": "", "diff": "diff", "html": "html",
    "javascript": "javascript", "js": "javascript", "json": "json", "markdown": "", "md": "", "mysql": "sql",
    "plaintext": "", "postgresql": "sql", "python": "python", "py": "python", "r": "r", "redshift": "sql",
    "sh": "bash", "shell": "bash", "snowflake": "sql", "sql": "sql", "text": "", "toml": "toml", "ts": "typescript",
    "typescript": "typescript", "xml": "xml", "yaml": "yaml", "yml": "yaml",
}  # fmt: skip


class Colours:
    """Colours for the code blocks of one answer, until their share of its time is used up."""

    def __init__(self) -> None:
        self._clock = Clock(ALLOWANCE)

    def block(self, source: str, language: str) -> str:
        """Return the HTML of one block. `language` is the fence's first word, and labels the block if it is known."""
        name = language.lower()
        label = f' data-language="{name}"' if name in _LANGUAGES else ""
        return f'<div class="code"{label}><pre tabindex="0"><code>{self._inside(source, name)}</code></pre></div>'

    def _inside(self, source: str, name: str) -> str:
        lexer = _LANGUAGES.get(name, "")
        if not lexer or len(source) > LONGEST or max(map(len, source.split("\n"))) > LONGEST_LINE:
            return characters.shown(source)
        try:
            return "".join(self._coloured(source, get_lexer_by_name(lexer, stripnl=False)))
        except TooCostly:
            return characters.shown(source)

    def _coloured(self, source: str, lexer: Lexer) -> Iterator[str]:
        # Pygments wants a newline at the end, and adds it.
        for kind, text in lexer.get_tokens(source):
            self._clock.tick()
            inside, css_class = characters.shown(text), STANDARD_TYPES.get(kind, "")
            yield f'<span class="{css_class}">{inside}</span>' if css_class and not text.isspace() else inside
