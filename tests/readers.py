"""People who read a running site all the time, and note each answer. Knows nothing of Django."""

import math
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests


@dataclass
class Answer:
    """A reply. `second`: when it was asked for, since the beginning. `status` 0: the connection broke."""

    second: float
    what: str
    status: int
    took: float
    is_old: bool = False
    # Target of a redirect.
    location: str = ""
    # Told to wait until the token has requests left.
    is_limited: bool = False


@dataclass
class Told:
    answers: list[Answer] = field(default_factory=list)
    starred: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


class Reader(threading.Thread):
    """A reader who opens, searches, exports and stars; each reply must hold the reader's own data only.

    `habits`: how often what is asked for, of `_path`; `pause`: shortest and longest seconds between two requests.
    """

    def __init__(
        self,
        url: str,
        name: str,
        session: requests.Session,
        ids: list[str],
        began: float,
        ends: float = math.inf,
        *,
        habits: Mapping[str, int],
        pause: tuple[float, float],
        stars: float = 0.1,
        seed: str = "",
    ) -> None:
        super().__init__(daemon=True)
        self.told = Told()
        self._url, self._session, self._name, self._ids = url, session, name, ids
        self._began, self._ends = began, ends
        self._habits, self._pause, self._share_of_stars = habits, pause, stars
        self._random = random.Random(seed or name)  # noqa: S311

    @property
    def stars(self) -> set[tuple[str, str]]:
        return {(self._name, conversation) for conversation in self.told.starred}

    def stop(self) -> None:
        """Have the reader ask for nothing more."""
        self._ends = 0.0

    def run(self) -> None:
        time.sleep(self._random.uniform(0, 4))
        while time.monotonic() < self._ends:
            conversation = self._random.choice(self._ids)
            what = self._random.choices([*self._habits], [*self._habits.values()])[0]
            page = self._ask(what, self._path(what, conversation))
            if what == "thread" and page and self._random.random() < self._share_of_stars:
                self._star(conversation, page)
            time.sleep(self._random.uniform(*self._pause))

    def _path(self, what: str, conversation: str) -> str:
        thread = f"/conversations/{conversation}/"
        return {
            "thread": thread,
            "list": "/conversations/",
            "search": f"/conversations/?q={self._name}+revenue",
            "insights": "/insights/?period=all",
            "export": f"/conversations/{conversation}.json",
            "deep link": f"{thread}messages/2/",
            "evidence": f"{thread}messages/2/evidence/",
        }[what]

    def _ask(self, what: str, path: str, form: dict[str, str] | None = None) -> str:
        began = time.monotonic()
        location = ""
        try:
            send = self._session.post if form else self._session.get
            # Browsers name it, and over TLS Django wants to see it beside a form.
            headers = {"Referer": self._url + path}
            answer = send(self._url + path, data=form, timeout=60, allow_redirects=False, headers=headers)
            status, text, location = answer.status_code, answer.text, answer.headers.get("Location", "")
        except requests.RequestException:
            status, text = 0, ""
        took = time.monotonic() - began
        is_old = "Not up to date." in text
        is_limited = status != 200 and "no requests to Omni left for this minute" in text
        self.told.answers.append(Answer(began - self._began, what, status, took, is_old, location, is_limited))
        self.told.foreign += [f"{path}: {word}" for word in re.findall(r"reader\d{4}", text) if word != self._name]
        return text if status in (200, 302) else ""

    def _star(self, conversation: str, page: str) -> None:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        form = {"starred": "1", "csrfmiddlewaretoken": token[1]}
        before = len(self.told.answers)
        self._ask("star", f"/conversations/{conversation}/star/", form)
        if self.told.answers[before].status == 302:
            self.told.starred.append(conversation)
