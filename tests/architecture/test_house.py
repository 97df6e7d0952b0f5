"""The house stays as it was drawn: migrations, guards, words for every refusal, templates, documents."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from booking import cli
from booking.config import SETTINGS
from booking.errors import Refusal
from booking.extensions import db
from booking.migrations import guards
from booking.models import MessageState
from booking.scheduling.status import Status
from booking.services.plans import said
from booking.web import audit_words
from booking.web.words import WORDS

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = ROOT / "booking" / "templates"


def test_every_refusal_has_words() -> None:
    assert {kind.code for kind in Refusal.kinds()} | {"refused"} == set(WORDS)
    assert all(str(words.title) for words in WORDS.values())


# Functions that hand the name of what was seen or done on to the audit.
_TO_THE_AUDIT = {"did", "saw", "saw_this_hour", "_change", "_note", "_note_failure", "keep", "carry_out"}
# What a plan's history says has names, by which it is written.
_SAID = {name: what for name, what in vars(said).items() if name.isupper() and isinstance(what, str)}


def test_the_audit_has_words_for_whatever_is_written_into_it() -> None:
    # A visit's statuses and taps are written by their names; nobody taps the first three.
    found = {*Status} - {Status.PROPOSED, Status.PENDING, Status.WAITLIST} | {"needles_in", "needles_out"}
    for path in (ROOT / "booking").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _TO_THE_AUDIT:
                found |= {_SAID[one.id] for one in node.args if isinstance(one, ast.Name) and one.id in _SAID}
                found |= {
                    leaf.value
                    for argument in node.args
                    for leaf in ast.walk(argument)
                    if not isinstance(argument, ast.JoinedStr | ast.Call | ast.List | ast.Lambda)
                    and isinstance(leaf, ast.Constant)
                    and isinstance(leaf.value, str)
                    and "/" not in leaf.value
                }
    assert len(found) > 60
    assert sorted(found - audit_words.WHAT.keys() - audit_words.OF_WHAT.keys()) == []


def test_every_kind_of_mail_has_three_files_and_each_text_one() -> None:
    kinds = {path.name.removesuffix(".subject.txt") for path in (TEMPLATES / "mail").glob("*.subject.txt")}
    assert kinds == {
        "confirmation",
        "change",
        "cancellation",
        "reminder",
        "cannot-come",
        "comes-after-all",
        "links",
        "tomorrow",
        "staff-invitation",
        "staff-reset",
        "staff-password",
        "plan-link",
        "plan-confirmation",
        "plan-change",
        "plan-day",
        "plan-digest",
        "plan-make-up",
    }
    for kind in kinds:
        assert (TEMPLATES / "mail" / f"{kind}.txt").exists() and (
            TEMPLATES / "mail" / f"{kind}.html"
        ).exists()
    texts = {path.stem for path in (TEMPLATES / "text").glob("*.txt")}
    to_us = {"cannot-come", "comes-after-all", "tomorrow"} | {
        kind for kind in kinds if kind.startswith("staff-")
    }
    assert texts == (kinds - to_us) | {"text-help", "text-message"}


def guards_of(database: Any) -> set[str]:
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if database.engine.dialect.name == "sqlite"
        else "SELECT conname FROM pg_constraint UNION SELECT tgname FROM pg_trigger"
    )
    with database.engine.connect() as connection:
        return {str(name) for name in connection.scalars(text(query))}


def test_the_guards_survive_every_migration(context: Flask) -> None:
    """Down to nothing and up again step by step; after each step that has claims, the guards live."""
    script = ScriptDirectory(context.extensions["migrate"].directory)
    downgrade(revision="base")
    for revision in reversed(list(script.walk_revisions())):
        upgrade(revision=revision.revision)
        assert set(guards.NAMES[db.engine.dialect.name]) <= guards_of(db)
    with db.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == script.get_current_head()


def test_history_is_neither_rewritten_nor_removed(context: Flask, standing_clock: Any) -> None:
    from tests.clinics import set_up
    from tests.services.making import booked

    set_up()
    booked()
    for statement in ("UPDATE history SET what = 'nothing'", "DELETE FROM history"):
        with pytest.raises(Exception, match="history is appended"), db.engine.begin() as connection:
            connection.execute(text(statement))


def test_the_clock_is_asked_in_one_place_only() -> None:
    asking = re.compile(r"datetime\.now\(|datetime\.utcnow|date\.today\(|time\.time\(")
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "booking").rglob("*.py")
        if asking.search(path.read_text()) and path.name != "clock.py"
    }
    # The ticker's first run and the rate limits' windows are in machine time, not in the clinic's.
    assert found == {"booking/reminders/worker.py", "booking/web/limits.py"}


def test_only_one_module_commits() -> None:
    committing = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "booking").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    }
    assert committing == {"booking/services/transaction.py"}


def test_every_setting_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    assert [setting.name for setting in SETTINGS if f"{setting.name}=" not in example] == []


def test_paths_in_the_documents_exist() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    missing = [
        f"{page.name}: {path}"
        for page in pages
        for path in re.findall(r"`((?:booking|tests|docs|bench|deploy|tools)/[\w/.-]+)`", page.read_text())
        if not (ROOT / path).exists()
    ]
    assert missing == []


def test_the_glossary_knows_every_state_of_a_message() -> None:
    glossary = (ROOT / "docs" / "messages.md").read_text()
    assert [state.value for state in MessageState if f"`{state.value}`" not in glossary] == []


def test_the_commands_that_the_readme_names_are_there(app: Flask) -> None:
    named = set(re.findall(r"`flask ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named <= {*app.cli.commands, "db", "run", "routes"}
    assert cli.main


def pages() -> dict[str, str]:
    """The templates of pages, which browsers show under our policy; mails are shown by others."""
    found = {str(path.relative_to(TEMPLATES)): path.read_text() for path in TEMPLATES.rglob("*.html")}
    return {name: template for name, template in found.items() if not name.startswith("mail/")}


def test_no_page_has_a_style_or_a_script_of_its_own() -> None:
    inline = re.compile(r"<style|\sstyle=|\son[a-z]+=[\"']|javascript:|<script(?![^>]*\ssrc=)")
    assert len(pages()) > 15
    assert [name for name, template in pages().items() if inline.search(template)] == []


def test_every_form_that_changes_something_carries_its_token() -> None:
    forms = [
        (name, form)
        for name, template in pages().items()
        for form in re.findall(r"<form method=\"post\".*?</form>", template, re.DOTALL)
    ]
    assert len(forms) >= 7
    token = 'name="csrf_token"'
    # The macro that gives a form of the desk all that it carries unseen.
    hidden = re.search(r"{% macro hidden\(.*?{% endmacro %}", pages()["desk/visit_parts.html"], re.DOTALL)
    assert hidden and token in hidden[0]
    assert [name for name, form in forms if token not in form and "{{ hidden(" not in form] == []


def test_every_component_says_first_what_it_takes() -> None:
    unsaid = [
        path.name
        for path in (TEMPLATES / "components").glob("*.html")
        if not re.match(r"\{# \w+\(.*\).*", path.read_text())
    ]
    assert unsaid == []


def test_whatever_changes_something_is_counted_against_its_network() -> None:
    """But for the webhook of texts, which is signed by the provider."""
    uncounted = [
        f"{path.name}: {view.name}"
        for folder in ("patient", "api")
        for path in (ROOT / "booking" / "web" / folder).glob("*.py")
        for view in ast.walk(ast.parse(path.read_text()))
        if isinstance(view, ast.FunctionDef)
        and any("blueprint.post(" in ast.unparse(decorator) for decorator in view.decorator_list)
        and "limits.allow(" not in ast.unparse(view)
    ]
    assert uncounted == []


@pytest.mark.parametrize(
    "folder", ["services/plans", "services/notices", "services/desk", "scheduling/plans"]
)
def test_the_map_of_a_large_folder_leaves_no_file_out(folder: str) -> None:
    parts = {path.stem for path in (ROOT / "booking" / folder).glob("[!_]*.py")}
    told = ast.get_docstring(ast.parse((ROOT / "booking" / folder / "__init__.py").read_text())) or ""
    assert sorted(name for name in parts if f"`{name}`" not in told) == []
