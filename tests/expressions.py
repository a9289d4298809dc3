"""Every regular expression of the project, where it stands, and the worst texts that can be made for it.

Expressions are recorded while the modules are imported, which sees them however they are put together; those in
functions are evaluated where they stand, or named in `GIVEN`.
"""

import ast
import importlib
import inspect
import json
import re
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("omniviewer", "conversations")
CALLS = ("compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
# Expressions that depend on a function's argument: file, and source of the argument.
GIVEN: dict[tuple[str, str], list[str]] = {
    ("omniviewer/demo/stand_in/routes.py", "pattern.replace('{id}', '([^/]+)')"): ["/v1/ai/jobs/([^/]+)/result"],
    ("conversations/rendering/allowlist.py", "pattern"): [r"code|table-scroll", r"language-[a-z]+|align-(left|right)"],
}
# Expressions that a function composes, and how the project uses them.
BUILT: dict[tuple[str, str], tuple[str, ...]] = {
    ("conversations/tables/numbers.py", "_pattern"): ("fullmatch",),
    ("conversations/tables/dates.py", "_form"): ("fullmatch",),
    ("conversations/search/pasted.py", "_SHAPES"): ("search",),
}
# Methods to apply an expression; `search` finds every match, and stands for all other methods.
LOOKS: dict[str, Callable[[re.Pattern[str], str], object]] = {
    "match": lambda pattern, text: pattern.match(text),
    "fullmatch": lambda pattern, text: pattern.fullmatch(text),
    "search": lambda pattern, text: sum(1 for _ in pattern.finditer(text)),
}
_LOOK_OF = {name: name if name in ("match", "fullmatch") else "search" for name in CALLS if name != "compile"}
# Characters that represent their kind: blanks of all sorts, letters, digits, punctuation.
PROBES = " \t\n\r\u00a0\u2009a zAZ01-_.,;:'\"()[]{}<>|`*~#/\\$€%=+@&!?éß字ก\u0e47\u0301\u200b\u202e\U0001f600"
_MOST_INPUTS = 160


@dataclass(frozen=True)
class Expression:
    """A regular expression. `looks` are the methods by which the project applies it."""

    file: str
    line: int
    pattern: re.Pattern[str]
    looks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.pattern.pattern[:90]!r}"


# Expressions in the source ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    file: str
    line: int
    end: int
    name: str
    node: ast.Call
    # The name that the compiled expression gets, or the function that composes it.
    target: str


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def calls(path: Path) -> list[_Call]:
    tree = ast.parse(path.read_text())
    targets: dict[ast.AST, str] = {}
    for part in tree.body:
        if isinstance(part, ast.FunctionDef):
            targets |= dict.fromkeys(ast.walk(part), part.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            targets |= {inner: getattr(target, "id", "") for inner in ast.walk(node.value)}
    file = str(path.relative_to(ROOT))
    processors = [
        _Call(file, node.lineno, node.end_lineno or node.lineno, "search", node, "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        # Python-Markdown compiles the expressions of its processors itself.
        and node.func.attr.endswith("InlineProcessor")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    return processors + [
        _Call(file, node.lineno, node.end_lineno or node.lineno, node.func.attr, node, targets.get(node, ""))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in CALLS
    ]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def recorded() -> dict[tuple[str, int], list[re.Pattern[str]]]:
    """Import every module afresh, and record each call of `re` by file and line. For a process of its own."""
    found: dict[tuple[str, int], list[re.Pattern[str]]] = {}
    originals = {name: getattr(re, name) for name in CALLS}
    compiling = originals["compile"]

    def watched(name: str) -> Callable[..., Any]:
        def call(pattern: Any, *args: Any, **kwargs: Any) -> Any:
            frame = inspect.currentframe()
            assert frame
            assert frame.f_back
            file = Path(frame.f_back.f_code.co_filename)
            if file.is_relative_to(ROOT) and file.relative_to(ROOT).parts[0] in FOLDERS:
                flags = kwargs.get("flags", args[0] if name == "compile" and args else 0)
                key = (str(file.relative_to(ROOT)), frame.f_back.f_lineno)
                found.setdefault(key, []).append(compiling(pattern, flags))
            return originals[name](pattern, *args, **kwargs)

        return call

    for name in CALLS:
        setattr(re, name, watched(name))
    try:
        django.setup()
        # Import this before any addresses: it registers the converters that they use.
        importlib.import_module("omniviewer.urls")
        for path in sources():
            if "migrations" in path.parts or path.name in ("wsgi.py", "asgi.py", "serving.py"):
                continue
            # Single sign-on is not installed here, so its modules' expressions are evaluated in place.
            with suppress(RuntimeError):
                importlib.import_module(module_of(path))
    finally:
        for name, original in originals.items():
            setattr(re, name, original)
    return found


def collected() -> tuple[list[Expression], list[str]]:
    """Return all expressions, and the calls whose expression is unknown. Run this in a process of its own."""
    seen = recorded()
    expressions: dict[tuple[str, int, str, int], Expression] = {}
    unknown = []
    for path in sources():
        if "migrations" in path.parts:
            continue
        text = path.read_text()
        for call in calls(path):
            patterns = [
                pattern
                for (file, line), patterns in seen.items()
                if file == call.file and call.line <= line <= call.end
                for pattern in patterns
            ]
            patterns = patterns or _evaluated(call, sys.modules.get(module_of(path)))
            if not patterns:
                unknown.append(f"{call.file}:{call.line} {ast.unparse(call.node)}")
            looks = _looks(call, text)
            for pattern in patterns:
                key = (call.file, call.line, pattern.pattern, pattern.flags)
                expressions[key] = Expression(call.file, call.line, pattern, looks)
    return list(expressions.values()), unknown


def _evaluated(call: _Call, module: Any) -> list[re.Pattern[str]]:
    argument = call.node.args[0]
    if given := GIVEN.get((call.file, ast.unparse(argument))):
        return [re.compile(pattern) for pattern in given]
    flags = next((keyword.value for keyword in call.node.keywords if keyword.arg == "flags"), None)
    last = {"match": 2, "fullmatch": 2, "search": 2, "compile": 1}.get(call.name)
    if flags is None and last is not None and len(call.node.args) > last:
        flags = call.node.args[last]
    try:
        names = vars(module) if module else {}
        pattern = eval(compile(ast.Expression(argument), call.file, "eval"), names)  # noqa: S307  (our own source)
        number = eval(compile(ast.Expression(flags), call.file, "eval"), names) if flags else 0  # noqa: S307
        return [re.compile(pattern, number)]
    except (NameError, TypeError, AttributeError):
        return []


def _looks(call: _Call, text: str) -> tuple[str, ...]:
    if call.name != "compile":
        return (_LOOK_OF[call.name],)
    if built := BUILT.get((call.file, call.target)):
        return built
    named = re.escape(call.target)
    used = set(re.findall(rf"\b{named}\.({'|'.join(_LOOK_OF)})\b", text)) if call.target else set()
    return tuple(sorted({_LOOK_OF[name] for name in used})) or tuple(LOOKS)


# The worst for them -------------------------------------------------------------------------------------------


def worst_cases(pattern: re.Pattern[str]) -> list[tuple[str, str, str]]:
    """Return beginnings, pieces to repeat, and ends, from the expression's tree with and without its optional parts."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    beginnings: dict[str, None] = {"": None}
    pieces: dict[str, None] = {}
    for is_full in (False, True):
        for before, body in _repeats(list(tree), "", is_full=is_full):
            beginnings.setdefault(before, None)
            pieces |= dict.fromkeys(_examples(body))
    longest = max(map(len, beginnings))
    kept = [before for before in beginnings if len(before) <= 200 or len(before) == longest]
    ends = ("", "\x00", "!a")
    cases = [(before, piece, end) for piece in pieces if piece for before in kept for end in ends]
    # Many optional parts make many cases: then test a sample for each beginning and each piece.
    step = -(-len(cases) // _MOST_INPUTS) or 1
    return [*cases[::step], *[("", piece, end) for piece in pieces if piece for end in ends]]


def _repeats(nodes: list[Any], before: str, *, is_full: bool) -> Iterator[tuple[str, list[Any]]]:
    """Yield each part that may be repeated, with a text that leads to it."""
    for operator, argument in nodes:
        for inner, is_repeated in _inside(operator, argument):
            if is_repeated:
                yield before, inner
            yield from _repeats(inner, before, is_full=is_full)
        before += _example(operator, argument, is_full=is_full)


def _inside(operator: Any, argument: Any) -> Iterator[tuple[list[Any], bool]]:
    if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        yield list(argument[2]), argument[1] == sre.MAXREPEAT or argument[1] > 1
    elif operator is sre.SUBPATTERN:
        yield list(argument[3]), False
    elif operator is sre.ATOMIC_GROUP:
        yield list(argument), False
    elif operator is sre.BRANCH:
        yield from ((list(branch), False) for branch in argument[1])
    elif operator in (sre.ASSERT, sre.ASSERT_NOT):
        yield list(argument[1]), False
    elif operator is sre.GROUPREF_EXISTS:
        yield from ((list(part), False) for part in argument[1:] if part)


def _examples(nodes: list[Any]) -> list[str]:
    """Return texts that match a part: each probe that it accepts, and one for each of its alternatives."""
    if len(nodes) == 1 and nodes[0][0] in (sre.IN, sre.ANY, sre.NOT_LITERAL, sre.LITERAL, sre.CATEGORY):
        return _taken(*nodes[0])
    whole = ["".join(_example(*node, is_full=is_full) for node in nodes) for is_full in (False, True)]
    inner = [text for node in nodes for part, _ in _inside(*node) for text in _examples(part)[:6]]
    return list(dict.fromkeys([*whole, *inner]))


def _example(operator: Any, argument: Any, *, is_full: bool) -> str:
    if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        least, most, body = argument
        times = min(max(least, 1), most) if is_full else least
        return "".join(_example(*node, is_full=is_full) for node in body) * min(int(times), 50)
    if operator is sre.SUBPATTERN:
        return "".join(_example(*node, is_full=is_full) for node in argument[3])
    if operator is sre.ATOMIC_GROUP:
        return "".join(_example(*node, is_full=is_full) for node in argument)
    if operator is sre.BRANCH:
        return "".join(_example(*node, is_full=is_full) for node in argument[1][-1 if is_full else 0])
    if operator in (sre.LITERAL, sre.IN, sre.ANY, sre.NOT_LITERAL, sre.CATEGORY):
        return next(iter(_taken(operator, argument)), "")
    return ""


def _taken(operator: Any, argument: Any) -> list[str]:
    """Return the probes that one place of an expression accepts; for a literal, the literal itself."""
    if operator is sre.LITERAL:
        return [chr(argument)]
    if operator is sre.ANY:
        return ["a", " ", "1"]
    if operator is sre.NOT_LITERAL:
        return [probe for probe in "a 1!" if ord(probe) != argument]
    if operator is sre.CATEGORY:
        return [probe for probe in PROBES if _in_category(argument, probe)]
    is_negated = argument[0][0] is sre.NEGATE
    own = [chr(value) for name, value in argument if name is sre.LITERAL]
    own += [chr(value[0]) for name, value in argument if name is sre.RANGE]
    probes = list(dict.fromkeys([*PROBES, *own]))
    return [probe for probe in probes if _in_class(argument, probe) is not is_negated][:12]


def _in_class(items: Any, probe: str) -> bool:
    return any(
        (name is sre.LITERAL and value == ord(probe))
        or (name is sre.RANGE and value[0] <= ord(probe) <= value[1])
        or (name is sre.CATEGORY and _in_category(value, probe))
        for name, value in items
    )


def _in_category(category: Any, probe: str) -> bool:
    name = str(category).rsplit("_", 1)[-1]
    letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name]
    return bool(re.fullmatch(f"\\{letter.upper() if '_NOT_' in str(category) else letter}", probe))


# How long it takes --------------------------------------------------------------------------------------------

# Sizes that reveal steps doubling with each character before a test takes an hour.
_SMALL = (8, 12, 16, 20, 23, 26, 29, 32, 40, 64, 128)
_SIZES = (256, 1024, 4096)
# Seconds: above the first, no larger size is tried; below the second, the clock is too coarse.
_TOO_LONG = 0.02
_LONG_ENOUGH = 0.001
# Growth above which no other case is tried.
_PLAIN_ENOUGH = 1.7
# Growth between two sizes that is measured again.
_SUSPECT = 1.2


def text_of(case: tuple[str, str, str], size: int) -> str:
    before, piece, end = case
    return before + piece * max(size // len(piece), 1) + end


def seconds(pattern: re.Pattern[str], look: str, text: str, *, times: int = 1) -> float:
    subject: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
    best = float("inf")
    for _ in range(times):
        start = time.process_time_ns()
        LOOKS[look](pattern, subject)
        best = min(best, time.process_time_ns() - start)
    return best / 1e9


def growth(pattern: re.Pattern[str], look: str, case: tuple[str, str, str]) -> tuple[float, float]:
    """Return the growth of a case's time as an exponent (0: too short to tell), and the longest text's seconds."""
    for size in _SMALL:
        if seconds(pattern, look, text_of(case, size)) > _TOO_LONG and (
            seconds(pattern, look, text_of(case, size), times=2) > _TOO_LONG
        ):
            return 9.0, _TOO_LONG
    took = before = 0.0
    for size in _SIZES:
        before, took = took, seconds(pattern, look, text_of(case, size))
        if took > _TOO_LONG:
            break
    if took < _LONG_ENOUGH or took < before * 4**_SUSPECT:
        return 0.0, took
    before, took = (seconds(pattern, look, text_of(case, part), times=3) for part in (size // 4, size))
    return log(took / max(before, 1e-6), 4), took


def slowest(expression: Expression) -> tuple[float, tuple[str, str, str], str]:
    """Return the worst growth of an expression, with the case and the method."""
    worst = (0.0, ("", "", ""), "")
    longest = (0.0, ("", "", ""), "")
    for case in worst_cases(expression.pattern):
        for look in expression.looks:
            exponent, took = growth(expression.pattern, look, case)
            worst = max(worst, (exponent, case, look))
            if exponent > _PLAIN_ENOUGH:
                return worst
            longest = max(longest, (took, case, look))
    if worst[0]:
        return worst
    # If no case took long enough at that size, measure the longest at a larger one.
    took, case, look = longest
    if not look:
        return worst
    few, many = (seconds(expression.pattern, look, text_of(case, size), times=3) for size in (16_384, 65_536))
    return log(max(many, 1e-6) / max(few, 1e-6), 4), case, look


if __name__ == "__main__":
    found, unknown = collected()
    swept = sorted(((*slowest(expression), str(expression)) for expression in found), reverse=True)
    sys.stdout.write(json.dumps({"count": len(found), "unknown": unknown, "swept": swept}))
