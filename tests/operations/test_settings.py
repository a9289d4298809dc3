"""Settings: what is wrong stops each process with one sentence; nothing is silently left out."""

import re
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from omniviewer.environment import Environment
from omniviewer.variables import Variables
from tests.operations.test_house import PRODUCTION, ROOT, manage, run
from tests.settings_mistakes import MISTAKES, TABLE

SETTINGS = ROOT / "omniviewer/settings.py"


def test_every_mistake_is_met_with_the_sentence_of_the_table() -> None:
    assert len(MISTAKES) >= 100
    done = run(sys.executable, "-m", "tests.settings_mistakes", "--print")
    assert done.returncode == 0, done.stderr
    assert done.stdout == TABLE.read_text(), "python -m tests.settings_mistakes writes the table anew"
    for line in done.stdout.splitlines()[6:]:
        name, value, said = line.strip("| ").split(" | ")
        assert len(said) > 20, line
        assert name.strip("`").split("_", 1)[1] in said, line
        secret = any(word in name for word in ("KEY", "SECRET", "TOKEN", "CERTIFICATE"))
        assert not (secret and value.startswith("`") and value.strip("`") in said and len(value) > 7), line
        assert "bi:secret" not in said


def test_every_setting_that_can_be_wrong_is_among_the_mistakes() -> None:
    read = set(re.findall(r'"(OMNIVIEWER_\w+|DATABASE_URL|CACHE_URL|PROMETHEUS_\w+)"', SETTINGS.read_text()))
    any_text = {
        f"OMNIVIEWER_{name}"
        for name in ("OIDC_NAME", "SAML_NAME", "OIDC_SUBJECT_CLAIM", "OIDC_GROUPS_CLAIM", "SAML_GROUPS")
    }
    assert read - {name for name, _, _ in MISTAKES} == any_text | {"OMNIVIEWER_DEMO"}


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "check"],
        ["manage.py", "migrate"],
        ["manage.py", "db_worker"],
        ["manage.py", "serve"],
        ["-m", "omniviewer", "worker"],
        ["manage.py", "nothing-of-the-kind"],
        ["-m", "gunicorn", "-c", "python:omniviewer.serving", "omniviewer.wsgi", "--bind", "127.0.0.1:0"],
        ["-c", "import omniviewer.wsgi"],
        ["-c", "import omniviewer.asgi"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_each_process_ends_with_that_sentence_alone(command: list[str]) -> None:
    done = run(sys.executable, *command, env={**PRODUCTION, "OMNIVIEWER_ALLOWED_GRUPS": "analysts"})
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Omniviewer does not start: OMNIVIEWER_ALLOWED_GRUPS is set, and there is no such setting. "
        "Did you mean OMNIVIEWER_ALLOWED_GROUPS?"
    ]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("24", 86400), ("24h", 86400), ("1d", 86400), ("90m", 5400), ("1.5", 5400), ("600s", 600), (" 2 h ", 7200)],
)
def test_a_time_may_name_its_unit(monkeypatch: pytest.MonkeyPatch, value: str, seconds: int) -> None:
    monkeypatch.setenv("LONG", value)
    assert Variables().duration("LONG", "24h", unit="h", bounds=("5m", "30d")).total_seconds() == seconds


@pytest.mark.parametrize(("value", "is_set"), [("TRUE", True), ("on", True), ("1", True), ("Off", False), ("0", False)])
def test_a_switch_is_on_or_off(monkeypatch: pytest.MonkeyPatch, value: str, is_set: bool) -> None:
    monkeypatch.setenv("SWITCH", value)
    assert Variables().flag("SWITCH", default=not is_set) is is_set


def test_words_may_have_spaces_around_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDS", " a, b ,c")
    assert Variables().words("WORDS") == ["a", "b", "c"]
    assert Variables().words("NO_WORDS", ["a b"]) == ["a b"]


def test_what_kubernetes_and_others_set_is_not_taken_for_ours() -> None:
    beside = {
        "OMNIVIEWER_SERVICE_HOST": "10.96.0.12",
        "OMNIVIEWER_SERVICE_PORT_HTTP": "8000",
        "OMNIVIEWER_PORT": "tcp://10.96.0.12:8000",
        "OMNIVIEWER_WEB_PORT_8000_TCP_ADDR": "10.96.0.12",
        "OMNI_API_KEY": "another program's",
        "DEBUG": "another program's",
    }
    done = manage("check", env={**PRODUCTION, **beside})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("OMNIVIEWER_SYNC: list\n", "line 1, is neither NAME=value nor a comment"),
        ("# fine\n\nOMNIVIEWER_SYNC=list\nhttps://bi.example.com\n", "line 4, is neither NAME=value nor a comment"),
        ("ALLOWED_GROUPS=analysts\n", "Did you mean OMNIVIEWER_ALLOWED_GROUPS?"),
        ("OMNIVIEWER_SYNK=list\n", "Did you mean OMNIVIEWER_SYNC?"),
        ("export OMNIVIEWER_SYNC=list\nHTTPS_PROXY=http://proxy.example.com:3128\n", ""),
    ],
)
def test_a_line_of_the_file_that_says_nothing_stops_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str
) -> None:
    for name in ("OMNIVIEWER_SYNC", "OMNIVIEWER_SYNK", "ALLOWED_GROUPS", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(text)
    env = Environment()

    def read() -> None:
        env.read_file(tmp_path / ".env")
        assert env.one_of("OMNIVIEWER_SYNC", ["all", "list", "off"])
        env.words("OMNIVIEWER_ALLOWED_GROUPS")
        monkeypatch.setattr("os.environ", dict.fromkeys(env._of_file, ""))
        env.refuse_unknown()

    if said:
        with pytest.raises(ImproperlyConfigured, match=said.replace("?", "[?]")):
            read()
    else:
        read()
        assert env.text("OMNIVIEWER_SYNC") == ""


@pytest.mark.parametrize(
    "line",
    [
        "   OMNIVIEWER_SECRET_KEY=long",
        "OMNIVIEWER_SECRET_KEY = long  ",
        "\texport  OMNIVIEWER_SECRET_KEY =\t'long'",
        'OMNIVIEWER_SECRET_KEY= "long"',
    ],
)
def test_blanks_around_a_name_and_a_value_are_no_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    # An empty variable counts as not set.
    monkeypatch.setenv("OMNIVIEWER_SECRET_KEY", "")
    (tmp_path / ".env").write_text(f"{line}\n")
    env = Environment()
    env.read_file(tmp_path / ".env")
    assert env.text("OMNIVIEWER_SECRET_KEY") == "long"
    assert caplog.text == ""


@pytest.mark.parametrize("line", ["SECRET-KEY=hidden", "SECRET.KEY=hidden", "SECRET KEY=hidden", "hidden", "=hidden"])
def test_a_line_that_may_hold_a_secret_is_told_by_its_number_alone(
    tmp_path: Path, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(f"OMNIVIEWER_SYNC=list\n{line}\n")
    with pytest.raises(ImproperlyConfigured, match=r"line 2, is neither NAME=value") as raised:
        Environment().read_file(tmp_path / ".env")
    assert "hidden" not in f"{raised.value}{caplog.text}"


def test_a_file_that_may_not_be_read_stops_it(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(ImproperlyConfigured, match=r"\.env cannot be read: Is a directory\."):
        Environment().read_file(tmp_path / ".env")
    (tmp_path / "latin").write_bytes(b"OMNIVIEWER_OIDC_NAME=Gr\xfc\xdfe\n")
    with pytest.raises(ImproperlyConfigured, match="it is no text in UTF-8"):
        Environment().read_file(tmp_path / "latin")


def test_a_value_that_begins_with_a_dollar_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORDED", "$ecret")
    assert Variables().text("WORDED") == "$ecret"


def test_the_signing_key_can_be_changed_without_signing_anybody_out() -> None:
    """Text signed with the previous key is accepted while that key is listed among the earlier ones."""
    before, after = PRODUCTION["OMNIVIEWER_SECRET_KEY"], "another-key-that-is-as-long-and-as-random-as-the-first"
    sign = "from django.core import signing; print(signing.dumps('signed in'))"
    read = "import sys; from django.core import signing; print(signing.loads(sys.argv[-1]))"
    signed = run(
        sys.executable,
        "-c",
        f"import omniviewer.starting; omniviewer.starting.start(); {sign}",
        env=PRODUCTION,
    ).stdout.strip()
    for keys, is_believed in [({"OMNIVIEWER_SECRET_KEYS_BEFORE": before}, True), ({}, False)]:
        done = run(
            sys.executable,
            "-c",
            f"import omniviewer.starting; omniviewer.starting.start(); {read}",
            signed,
            env={**PRODUCTION, "OMNIVIEWER_SECRET_KEY": after, **keys},
        )
        assert (done.stdout.strip() == "signed in") is is_believed, done.stderr
