"""Variables of the environment and of the file .env. With an invalid value the process does not start.

Each method raises `ImproperlyConfigured` with one sentence that names the variable, shows its value (of a secret never)
and says what to set. A variable that is set to nothing counts as not set.
"""

import io
import os
import re
from datetime import timedelta
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from zoneinfo import available_timezones

import environ
from django.core.exceptions import ImproperlyConfigured

_PREFIX = "OMNIVIEWER_"
# Variables that the tests read, not the site.
_OF_THE_TESTS = {"OMNIVIEWER_REQUIRE", "OMNIVIEWER_TEST_DATABASE", "OMNIVIEWER_LOAD_SECONDS"}
# Kubernetes tells the processes of a pod where the services beside it are; one of them may be called omniviewer.
_OF_KUBERNETES = re.compile(r"OMNIVIEWER_(\w+_)?(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
# Similarity (`SequenceMatcher`, 0 to 1) from which a name counts as a misspelt one.
_ALIKE = 0.8
# An installed wheel has its documentation in another place than a checkout.
ALL_SETTINGS = "All settings are named in settings.md, in the folder that `omniviewer version` tells."
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", re.ASCII)
_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhd]?)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_HEADER = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", re.ASCII)


class Variables:
    """The variables of the environment, and of a file for those not set there."""

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._of_file: set[str] = set()

    def settings_file(self, name: str, default: Path) -> Path:
        """Read the file of settings that the variable names, else the default one if there is one; return its path."""
        named = self.text(name)
        path = Path(named).absolute() if named else default
        self.read_file(path, named_by=name if named else "")
        if name in self._of_file:
            raise ImproperlyConfigured(
                f"{name} stands in {path}: it says where that file is. Set it in the environment."
            )
        return path

    def read_file(self, path: Path, *, named_by: str = "") -> None:
        """Read a file of `NAME=value` lines; what the environment says already stands.

        A missing file is a mistake where a variable, `named_by`, names it.
        """
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            if isinstance(error, FileNotFoundError) and not named_by:
                return
            why = getattr(error, "strerror", None) or "it is no text in UTF-8"
            by = f"{named_by}: " if named_by else ""
            raise ImproperlyConfigured(f"{by}{path} cannot be read: {why}.") from None
        lines = []
        for number, line in enumerate(text.splitlines(), start=1):
            found = _ASSIGNMENT.fullmatch(line.strip())
            if found:
                self._of_file.add(found[1])
                lines.append(f"{found[1]}={found[2]}")
            elif line.strip() and not line.lstrip().startswith("#"):
                # The line itself is not shown: it may hold a secret.
                raise ImproperlyConfigured(f"{path}, line {number}, is neither NAME=value nor a comment (# ...).")
        for name in self._of_file:
            if not os.environ.get(name, "unset").strip():
                del os.environ[name]
        # It would log a line that it cannot read, with its value: none of these is one.
        environ.Env.read_env(io.StringIO("\n".join(lines)))

    def refuse_unknown(self) -> None:
        """Stop where a variable is set that looks like one of ours, and is not: it would say nothing, silently."""
        for name in sorted((set(os.environ) | self._of_file) - self._read - _OF_THE_TESTS):
            meant = self._meant(name)
            if meant is not None:
                hint = f"Did you mean {meant}?" if meant else ALL_SETTINGS
                raise ImproperlyConfigured(f"{name} is set, and there is no such setting. {hint}")

    def _meant(self, name: str) -> str | None:
        """Return the setting that a name is meant for; "" where none is like it, None where it is not ours."""
        upper = name.upper()
        if upper in self._read:
            return upper
        # A name without the prefix is ours only in our own file: other programs on the machine may have a DEBUG too.
        if name in self._of_file and _PREFIX + upper in self._read:
            return _PREFIX + upper
        head = re.sub(r"^OMNI_V", "OMNIV", upper).split("_")[0]
        is_ours = SequenceMatcher(None, head, _PREFIX.rstrip("_")).ratio() >= _ALIKE
        if not is_ours or _OF_KUBERNETES.fullmatch(name):
            return None
        return next(iter(get_close_matches(upper, self._read, n=1, cutoff=_ALIKE)), "")

    def text(self, name: str, default: str = "") -> str:
        self._read.add(name)
        return os.environ.get(name, "").strip() or default

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.text(name)
        if value and value.lower() not in _YES | _NO:
            raise wrong(name, value, "true or false")
        return value.lower() in _YES if value else default

    def whole(self, name: str, *, default: int, bounds: tuple[int, int], or_zero: bool = False) -> int:
        """Return a whole number within the bounds, both included; `or_zero` also allows 0."""
        value = self.text(name, str(default))
        number = int(value) if re.fullmatch(r"-?\d{1,15}", value, re.ASCII) else None
        if number is None or not (bounds[0] <= number <= bounds[1] or (or_zero and number == 0)):
            raise wrong(name, value, f"{'0 or ' if or_zero else ''}a whole number from {bounds[0]} to {bounds[1]}")
        return number

    def duration(self, name: str, default: str, *, unit: str, bounds: tuple[str, str]) -> timedelta:
        """Return a duration within the bounds. `unit` (s, m, h or d) applies to a bare number; else write "15m"."""
        value = self.text(name, default)
        length, least, most = _time(value, unit), _time(bounds[0], unit), _time(bounds[1], unit)
        if length is None or least is None or most is None or not least <= length <= most:
            units = f"a number of {_UNITS[unit]}, or one with a unit as in 90s, 15m, 36h or 2d"
            raise wrong(name, value, f"{units}, from {bounds[0]} to {bounds[1]}")
        return length

    def one_of(self, name: str, words: list[str]) -> str:
        """Return one of the words; the first if the variable is not set."""
        value = self.text(name, words[0])
        if value not in words:
            raise wrong(name, value, f"one of {', '.join(words)}")
        return value

    def words(self, name: str, default: list[str] | None = None, *, closes: bool = False) -> list[str]:
        """Return the words between commas, with or without spaces.

        `closes`: a list that keeps people out. Set to nothing, it would let everybody in.
        """
        value = self.text(name)
        if not value and closes and name in os.environ:
            raise ImproperlyConfigured(
                f"{name} is set to nothing: say who may enter, or remove it to let everybody in."
            )
        words = [word.strip() for word in value.split(",")] if value else default or []
        if not all(words) or any(re.search(r"^[=;]|[\"']", word) for word in words):
            raise wrong(name, value, "words with commas between them, without quotation marks")
        return words

    def secret(self, name: str, *, shortest: int) -> str:
        """Return the secret; "" if it is not set."""
        value = self.text(name)
        if 0 < len(value) < shortest:
            raise ImproperlyConfigured(f"{name} can be guessed: set at least {shortest} random characters.")
        return value

    def pattern(self, name: str, default: str) -> str:
        """Return a regular expression that does not match the empty text."""
        value = self.text(name, default)
        try:
            is_empty = re.fullmatch(value, "") is not None
        except re.error as error:
            raise ImproperlyConfigured(f"{name} is not a regular expression: {error}.") from None
        if is_empty:
            raise wrong(name, value, "a regular expression that needs a letter at least")
        return value

    def header(self, name: str) -> str:
        """Return the name of a header; "" if it is not set."""
        value = self.text(name)
        if value and not _HEADER.fullmatch(value):
            raise wrong(name, value, "the name of a header, such as X-Auth-Request-User")
        return value

    def time_zone(self, name: str) -> str:
        value = self.text(name, "UTC")
        if value not in available_timezones():
            [meant] = get_close_matches(value, available_timezones(), n=1) or ["Europe/Berlin"]
            raise wrong(name, value, f"a time zone such as {meant}")
        return value


def _time(value: str, unit: str) -> timedelta | None:
    """Return a time such as "36h"; None if it is none."""
    found = _DURATION.fullmatch(value)
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2] or unit]) if found else None


def more_packages(extra: str) -> str:
    """Return the end of a sentence about a setting that needs an extra."""
    return f"needs more packages: pip install 'omniviewer[{extra}]', or '.[{extra}]' in a checkout."


def wrong(name: str, value: str, should: str) -> ImproperlyConfigured:
    """Return the error that says which value is wrong, and what it should be."""
    return ImproperlyConfigured(f"{name} is {value!r}: it has to be {should}.")
