"""The search and the list once more, on PostgreSQL: the other tests run on SQLite, the embedded default."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.postgresql import postgresql
from tests.serving import ROOT

# It needs no database of this process, but tests without one come last: then this would run long after all others.
pytestmark = pytest.mark.django_db

# Tests that depend on the database's dialect: search, upgrade, and the list's order, pages and filters.
ASKED = (
    "tests/search/test_search.py",
    "tests/pages/test_list.py::test_it_pages_through_all_of_them_newest_first",
    "tests/pages/test_list.py::test_an_organization_key_may_filter_by_member",
    "tests/pages/test_list.py::test_newer_leads_back",
    "tests/pages/test_list.py::test_queries_do_not_grow_with_the_list",
    "tests/archive/test_upgrade.py",
    "tests/search/test_index_failure.py",
    "tests/search/test_best_match.py",
    "tests/search/test_reindex.py",
    "tests/operations/test_backup.py::test_every_table_is_in_it_or_left_out_by_name",
    "tests/operations/test_backup.py::test_it_is_of_one_moment_and_holds_up_nobody",
    "tests/operations/test_backup.py::test_a_restore_says_what_is_to_do",
    "tests/operations/test_backup.py::test_what_was_interrupted_goes_on",
    "tests/operations/test_backup.py::test_a_row_that_the_database_does_not_take_is_named",
    "tests/exports/test_search_export.py::test_it_works",
    "tests/pages/test_completion.py::test_it_works",
    "tests/pages/test_list_facts.py::test_every_choice_leads_to_as_many_as_it_says",
    "tests/pages/test_list_facts.py::test_it_sorts_by_length_and_by_time",
    "tests/operations/test_prepared.py",
    "tests/operations/test_operation.py::test_what_a_database_says_is_left_out",
    "tests/archive/test_sync.py::test_a_turn_costs_the_same_however_much_a_token_has",
    "tests/archive/test_insights_counts.py",
    "tests/archive/test_holds.py::test_it_works",
    "tests/archive/test_holds.py::test_evidence_stays",
    "tests/archive/test_holds.py::test_a_hold_and_a_deletion_wait_for_each_other",
    "tests/accounts/test_leaving.py::test_erasure_leaves_no_name",
    "tests/accounts/test_leaving.py::test_the_log_takes_no_other_change",
    "tests/accounts/test_scim.py",
    "tests/archive/test_sync_cost.py",
    "tests/access/test_access.py::test_so_does_a_thread_that_is_stored_already",
    "tests/pages/test_insights.py::test_it_works",
    "tests/pages/test_insights.py::test_every_number_of_conversations_is_that_of_its_list",
    "tests/pages/test_insights.py::test_topics_and_failures_are_those_that_are_known",
    "tests/pages/test_insights.py::test_questions_are_found_by_their_time",
    "tests/pages/test_insights.py::test_far_away_times_are_no_error",
    "tests/pages/test_streamed_thread.py::test_it_works",
    "tests/pages/test_selection.py::test_it_works",
    "tests/pages/test_selection.py::test_a_place_in_the_list_stays_while_it_grows_and_shrinks",
    "tests/pages/test_selection.py::test_what_happened_since_the_last_visit_is_new_until_it_is_opened",
)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as server:
        yield server.address


def on_postgresql(database: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run this suite in a process of its own, on PostgreSQL."""
    ours = ("PYTEST_", "DATABASE_URL")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *words],
        cwd=ROOT,
        env=environment | {"OMNIVIEWER_TEST_DATABASE": database},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_works(database: str) -> None:
    # One dialect of Omni's is enough: replies in both lead to the same statements.
    done = on_postgresql(database, *ASKED, "-k", "not sdk")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^(\d+) passed", done.stdout, re.M)
    assert passed, done.stdout
    assert int(passed[1]) >= len(ASKED) + 20
