"""The rules of the house: what the tools say, which way imports run, what the README promises."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import get_commands
from django.db import connection

from omniviewer.operations.front import check_python

ROOT = Path(__file__).resolve().parents[2]
CHECKS = ROOT / ".docs/deploy-checks.md"
README = ROOT / "README.md"
PAGES = [README, ROOT / "conversations/README.md", *sorted((ROOT / ".docs").rglob("*.md")), ROOT / ".readme/faults.md"]
SOURCES = [path for folder in ("omniviewer", "conversations") for path in (ROOT / folder).rglob("*.py")]
STYLESHEETS = sorted((ROOT / "static/css").glob("*.css"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# The administration finds these two by name, in place of its own; they extend one of its own.
ADMIN = {"admin/base_site.html", "admin/color_theme_toggle.html"}
ADMIN_BASE = "admin/base.html"
NAMED_BY_DJANGO = {"400.html", "403.html", "403_csrf.html", "404.html", "500.html", "503.html"}
FEATURES = {"credentials", "evidence", "export", "insights", "links", "list", "shared", "storage", "thread"}
PRODUCTION = {
    "OMNIVIEWER_SECRET_KEY": "rQ8v7yJm2LhXw5ZpT3nKc9Ds6Gf1BaVeUi4Mo0SxRtYqPlHgNjWkEzC8dF5A",
    "OMNIVIEWER_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "OMNIVIEWER_ALLOWED_HOSTS": "omniviewer.example.com",
}


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder, with none of our own variables but those given."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith(("OMNIVIEWER_", "DJANGO_"))}
    for name in ("DATABASE_URL", "CACHE_URL"):
        rest.pop(name, None)
    return subprocess.run(command, cwd=ROOT, env=rest | (env or {}), capture_output=True, text=True, check=False)


def _program(name: str) -> str:
    """Return the path of a program that was installed beside Python."""
    return str(Path(sys.executable).with_name(name))


def manage(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "manage.py", *words, env=env)


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ],
    ids=" ".join,
)
def test_the_tools_find_nothing(command: list[str]) -> None:
    done = run(sys.executable, "-m", *command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_templates_are_formatted() -> None:
    done = run(_program("djade"), "--target-version", "5.2", "--check", *map(str, TEMPLATES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_run_one_way() -> None:
    done = run(_program("lint-imports"), "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


def test_migrations_are_complete() -> None:
    done = manage("makemigrations", "--check", "--dry-run", env=PRODUCTION)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_deployment_passes_djangos_checks(tmp_path: Path) -> None:
    environment = {
        **PRODUCTION,
        "OMNIVIEWER_BEHIND_PROXY": "true",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'site.sqlite3'}",
    }
    done = manage("check", "--deploy", "--fail-level", "INFO", env=environment)
    if check_python(None):  # the machine's to mend
        assert re.findall(r"^\?: \((\S+)\)", done.stderr, re.M) == ["omniviewer.W001"], done.stderr
    else:
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_deployment_check_says_is_in_the_documentation() -> None:
    """Each mistake is made in a copy of the site, and each of the site's own checks reports one."""
    done = run(sys.executable, "-m", "tests.deploy_mistakes", "--print")
    assert done.returncode == 0, done.stderr
    assert done.stdout == CHECKS.read_text(), "python -m tests.deploy_mistakes writes the table anew"
    assert "nothing |" not in done.stdout
    sources = "".join(path.read_text() for path in (ROOT / "omniviewer").rglob("*.py"))
    assert set(re.findall(r"omniviewer\.[EW]\d{3}", sources)) == set(re.findall(r"omniviewer\.[EW]\d{3}", done.stdout))


def test_development_needs_no_key() -> None:
    assert manage("check", env={"OMNIVIEWER_DEBUG": "true"}).returncode == 0


def test_what_is_installed_fits_together() -> None:
    done = run(sys.executable, "-m", "pip", "check")
    assert done.returncode == 0, done.stdout


def test_static_files_are_collected_for_production(tmp_path: Path) -> None:
    done = manage("collectstatic", "--noinput", "--dry-run", env=PRODUCTION)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_rendering_marks_text_as_safe() -> None:
    marking = {"mark_safe", "SafeString", "format_html_join", "safe"}
    for path in SOURCES:
        if "rendering" in path.parts or path.name == "rendering.py":
            continue
        called = {
            getattr(node.func, "id", getattr(node.func, "attr", ""))
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
        }
        assert not called & marking, path
    for path in TEMPLATES:
        assert not re.search(r"\|\s*safe\b|autoescape", path.read_text()), path


def test_every_setting_is_documented_and_the_other_way_round() -> None:
    read = set(
        re.findall(
            r'"(OMNIVIEWER_\w+|DATABASE_URL|CACHE_URL|PROMETHEUS_\w+)"', (ROOT / "omniviewer/settings.py").read_text()
        )
    )
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / ".docs/settings.md").read_text(), re.M))
    assert read - {"OMNIVIEWER_DEMO"} == told


def test_every_dependency_has_its_reason() -> None:
    block = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert block
    named = set(re.findall(r'"([a-z0-9-]+)', block.group(1)))
    reasons = (ROOT / ".docs/dependencies.md").read_text()
    assert named == set(re.findall(r"^\| \*\*([a-z0-9-]+)\*\* \|", reasons, re.M | re.I))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_documentation_names_exists(page: Path) -> None:
    """Links, commands, modules of the tests, and paths of this project."""
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link
    commands = {path.stem for path in ROOT.glob("*/**/management/commands/*.py")} | set(get_commands())
    assert set(re.findall(r"(?:manage\.py|(?:`|bin/)omniviewer) ([a-z_]+)", text)) <= commands | {"help", "version"}
    for module in re.findall(r"python -m (tests\.\w+)", text):
        assert (ROOT / (module.replace(".", "/") + ".py")).exists(), module
    for path in re.findall(r"`((?:omniviewer|conversations|tests|templates|static)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_readme_is_a_map() -> None:
    assert len(README.read_text().splitlines()) < 150


def test_every_metric_is_documented() -> None:
    named = {name for path in SOURCES for name in re.findall(r'"(omniviewer_[a-z_]+)"', path.read_text())}
    told = set(re.findall(r"omniviewer_[a-z_]+", (ROOT / ".docs/operations.md").read_text()))
    assert named <= told | {name.removesuffix("_total") for name in told}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_hard_to_explain(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350
    for word in ("utils", "helpers", "common", "services", "manager"):
        assert word not in path.stem.split("_")


def test_every_template_stands_in_its_folder_and_is_used() -> None:
    """Only the site's frame and what Django names itself stand at the top; each path that code names is a file."""
    files = {path.relative_to(ROOT / "templates").as_posix(): path.read_text() for path in TEMPLATES}
    code = "".join([*files.values(), *(path.read_text() for path in SOURCES)])
    named = set(
        re.findall(r'(?:include|extends|render\(\s*request,|render_to_string\(|get_template\()\s*"([^"]+)"', code)
    )
    assert named - {ADMIN_BASE} | NAMED_BY_DJANGO | ADMIN == set(files)
    assert {name for name in files if "/" not in name and not name.startswith("_")} == {
        *NAMED_BY_DJANGO,
        "base.html",
        "explain.html",
    }
    assert {name.split("/")[1] for name in files if name.startswith("conversations/")} == FEATURES


def test_every_stylesheet_and_script_is_used() -> None:
    """Each that a template or a script names is a file, and each file is named."""
    static = ROOT / "static"
    files = {path.relative_to(static).as_posix(): path.read_text() for path in static.glob("[cj]s/*.*")}
    imports = re.compile(r'^(?:import (?:.* from )?"\./|@import ")([\w.-]+?\.(js|css))";$', re.M)
    imported = {f"{kind}/{name}" for text in files.values() for name, kind in imports.findall(text)}
    named = {name for path in TEMPLATES for name in re.findall(r"static '([cj]s/[^']+)'", path.read_text())}
    assert named | imported == set(files)


@pytest.mark.parametrize("room", ["archive", "charts", "exports", "pages", "search", "tables"])
def test_a_room_is_no_facade(room: str) -> None:
    """Callers import the room's modules: its own file says the rule of the room, and nothing else."""
    tree = ast.parse((ROOT / "conversations" / room / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


def test_no_template_is_long() -> None:
    for path in TEMPLATES:
        assert len(path.read_text().splitlines()) <= 120, path
        assert path.stat().st_size <= 6 * 1024, path


def test_addresses_in_templates_get_the_prefix() -> None:
    """The loader puts it before addresses of the site that follow white space."""
    for path in TEMPLATES:
        assert not re.search(r'[^\s](?<!\sform)(action|formaction|href|src|hx-get|hx-post)="/', path.read_text()), path


def test_no_page_has_inline_script_or_style() -> None:
    for path in TEMPLATES:
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), path


def test_colours_stand_in_variables_css_alone() -> None:
    for path in STYLESHEETS:
        if path.name != "variables.css":
            assert not re.search(r"#[0-9a-f]{3,8}\b|rgb\(|hsl\(|oklch\(", path.read_text()), path


FRAGMENTS = ("What", "Of", "Those", "Whether", "Who", "Where", "Which")


def test_docstrings_and_comments_begin_with_no_fragment() -> None:
    """Each says what something does, and begins with a verb or a noun."""
    sources = [*SOURCES, *(ROOT / "tests").rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sources
        if "migrations" not in path.parts and "node_modules" not in path.parts
        for text in (*_docstrings(path), *_comments(path))
        if re.match(r"\W*(\w+)", text + " _").group(1) in FRAGMENTS  # type: ignore[union-attr]
    ]
    assert found == []


def _docstrings(path: Path) -> list[str]:
    kinds = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds))
    return [text for node in nodes if (text := ast.get_docstring(node))]


def _comments(path: Path) -> list[str]:
    """Return the first line of each comment that stands on lines of its own."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = zip(["", *lines], lines, strict=False)
    return [line.lstrip("# ") for before, line in pairs if line.startswith("# ") and not before.startswith("#")]


@pytest.mark.parametrize("path", [*TEMPLATES, *STYLESHEETS], ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_templates_and_stylesheets_are_short(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if len(line) > 120] == []


@pytest.mark.django_db
def test_what_bounds_each_table_is_documented() -> None:
    """No table of the database grows without a word on what deletes its rows."""
    told = (ROOT / ".docs/growth.md").read_text()
    for table in connection.introspection.table_names():
        # SQLite's full-text index consists of tables of its own.
        name = re.sub(r"^(conversations_words)_.*", r"\1", table)
        assert f"`{name}`" in told, table
