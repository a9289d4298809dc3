"""Links and images of an answer, after sanitizing: they show where they lead, and nothing is loaded."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from bleach.html5lib_shim import Filter, convert_entities, convert_entity

from conversations.rendering import characters

_SCHEMES = ("http", "https", "mailto")
_REL = "noopener noreferrer nofollow"
_ADDRESS = re.compile(r"\bhttps?://[^\s<>\"`|\\^{}\[\]]+", re.IGNORECASE)
Element = dict[str, Any]


class HonestLinks(Filter):  # type: ignore[misc]
    """Keeps absolute links to http, https and mailto, with the host they lead to; others become their text.

    An image becomes a link to itself, an address in the text becomes a link, but not in code. Hidden characters are
    shown everywhere. (bleach's own linkifier takes 5 s for 20,000 `(`, and makes links of `users.id`.)
    """

    def __iter__(self) -> Iterator[Element]:
        for token in self._links(_runs_of_text(super().__iter__())):
            yield from _visible(token) if token["type"] == "Characters" else [token]

    def _links(self, tokens: Iterable[Element]) -> Iterator[Element]:
        inside: list[Element] = []
        destination: SplitResult | None = None
        is_open, code = False, 0
        for token in tokens:
            kind, name = token["type"], token.get("name")
            if kind in ("StartTag", "EmptyTag") and name == "img":
                shown = list(_image(token, within_link=is_open))
            elif kind == "StartTag" and name == "a":
                is_open, inside, destination = True, [], _destination(_attribute(token, "href"))
                continue
            elif kind == "EndTag" and name == "a":
                is_open = False
                yield from _link(destination, inside)
                continue
            elif kind == "Characters" and not is_open and not code:
                shown = list(_addresses(token["data"]))
            else:
                code += (name in ("pre", "code")) * {"StartTag": 1, "EndTag": -1}.get(kind, 0)
                shown = [token]
            if is_open:
                inside += shown
            else:
                yield from shown
        yield from inside if is_open else []


def _runs_of_text(tokens: Iterable[Element]) -> Iterator[Element]:
    """One token for each run of text: bleach leaves every entity as a token of its own, undecoded."""
    text = ""
    for token in tokens:
        match token["type"]:
            case "Characters" | "SpaceCharacters":
                text += token["data"]
            case "Entity":
                decoded = convert_entity(token["name"])
                text += characters.show_controls(decoded) if decoded else f"&{token['name']};"
            case _:
                if text:
                    yield _characters(text)
                    text = ""
                yield token
    if text:
        yield _characters(text)


def _attribute(token: Element, name: str) -> str:
    """Decoded: bleach leaves entities in attributes as they are."""
    return characters.show_controls(convert_entities(token["data"].get((None, name), ""))).strip()


def _destination(href: str) -> SplitResult | None:
    """Where a link leads, or None where it is none that survives."""
    try:
        parts = urlsplit(href)
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES or (parts.scheme != "mailto" and not parts.hostname):
        return None
    return parts if not (set(href) & set("\\<>\"' \t\n")) else None


def _host(destination: SplitResult) -> str:
    """What the reader is told of the destination: the real host in ASCII, or the address that mail goes to."""
    if destination.scheme == "mailto":
        return unquote(destination.path)
    host = destination.hostname or ""
    try:
        ascii_host = host.encode("idna").decode()
    except UnicodeError:
        ascii_host = host.encode("punycode").decode()
    port = f":{destination.port}" if destination.port else ""
    return ascii_host + port


def _link(destination: SplitResult | None, inside: list[Element]) -> Iterator[Element]:
    if destination is None:
        yield from inside
        return
    text = "".join(token["data"] for token in inside if token["type"] == "Characters").strip()
    host, url = _host(destination), destination.geturl()
    # What shows the destination itself; an address with a user's name in it never does.
    honest = set() if "@" in destination.netloc else {url, url.rstrip("/"), host, url.partition("://")[2]}
    if destination.scheme == "mailto":
        honest.add(host)
    # Escaped here: the serializer would take what looks like an entity in it for one.
    yield _start("a", {"href": url.replace("&", "&amp;"), "rel": _REL})
    yield from inside or [_characters(host)]
    if inside and (text not in honest or not text.isascii()):
        yield _start("span", {"class": "link-host"})
        yield _characters(f" ({host})")
        yield {"type": "EndTag", "namespace": _XHTML, "name": "span"}
    yield {"type": "EndTag", "namespace": _XHTML, "name": "a"}


def _addresses(text: str) -> Iterator[Element]:
    """Text in which addresses that are spelled out are links. Punctuation behind them is not theirs."""
    start = 0
    for found in _ADDRESS.finditer(text):
        url = found[0].rstrip(".,;:!?*_'")
        while url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1]
        destination = _destination(url)
        if destination:
            yield _characters(text[start : found.start()])
            yield from _link(destination, [_characters(url)])
            start = found.start() + len(url)
    yield _characters(text[start:])


def _image(token: Element, *, within_link: bool) -> Iterator[Element]:
    alt = _attribute(token, "alt")
    label = [_characters(f"image: {alt}" if alt else "image")]
    # A link within a link is none: there the image is its words.
    yield from label if within_link else _link(_destination(_attribute(token, "src")), label)


def _visible(token: Element) -> Iterator[Element]:
    for text, is_hidden in characters.pieces(token["data"]):
        if not is_hidden:
            yield {**token, "data": text}
            continue
        yield _start("span", {"class": "hidden-character", "title": characters.name_of(text)})
        yield _characters(characters.code_point(text))
        yield {"type": "EndTag", "namespace": _XHTML, "name": "span"}


_XHTML = "http://www.w3.org/1999/xhtml"


def _start(name: str, attributes: dict[str, str]) -> Element:
    data = {(None, key): value for key, value in attributes.items()}
    return {"type": "StartTag", "namespace": _XHTML, "name": name, "data": data}


def _characters(text: str) -> Element:
    return {"type": "Characters", "data": text}
