"""Tables that a backup holds, in an order in which rows follow those they refer to, and tables that it leaves out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Final

from django.apps.registry import Apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

# App and name of a migration.
Node = tuple[str, str]

# Rows done so far of a restore that goes on after an interruption. It exists only meanwhile.
PROGRESS_TABLE: Final = "omniviewer_restore"
# Tables without a place in a backup, and why.
LEFT_OUT: Final = {
    "conversations_words": "the search index: made again from the rows",
    "conversations_indexfailure": "what the search index refused: found again when it is made",
    "django_session": "sessions: everybody signs in again, and nobody who was signed out is signed in",
    "django_tasks_database_dbtaskresult": "queued tasks carry no data: workers queue them again",
    "conversations_tokenbudget": "a state of the last minutes",
    "conversations_sentrequest": "a state of the last minutes",
    "conversations_instance": "a state of the last minutes",
    "conversations_flight": "a state of the last minutes",
    "django_migrations": "stands in the manifest",
    PROGRESS_TABLE: "exists only during a restore",
}
# Tables that belong to the one above them, or to an earlier version's libraries, which never stored a row.
LEFT_OUT_PREFIXES: Final = ("conversations_words_", "account_email", "socialaccount_")
# Columns that depend on what is left out.
RESET: Final[Mapping[str, Mapping[str, Any]]] = {
    "conversations_conversation": {"indexed_as": None, "is_indexed": False},
}
# Tables that `migrate` fills: in an empty database they have rows.
FILLED_BY_MIGRATE: Final = frozenset({"django_content_type", "auth_permission"})


class NewerDatabase(Exception):
    """The database was migrated by a newer version of the program than this one."""


@dataclass(frozen=True)
class Table:
    """A table of the database in the form that some migrations gave it."""

    name: str
    model: type[models.Model]

    @property
    def fields(self) -> "list[models.Field[Any, Any]]":
        return list(self.model._meta.local_concrete_fields)

    @property
    def columns(self) -> list[str]:
        return [str(field.column) for field in self.fields]

    @property
    def pk_column(self) -> str:
        return str(self.model._meta.pk.column)

    @property
    def rows(self) -> "models.QuerySet[Any]":
        return self.model._base_manager.order_by("pk")


@dataclass(frozen=True)
class Schema:
    """The form of a database: applied migrations, and the tables that a backup of it holds."""

    migrations: frozenset[Node]
    tables: tuple[Table, ...]

    @classmethod
    def by_migrations(cls, loader: MigrationLoader, applied: Iterable[Node]) -> "Schema":
        """Return the form that these migrations give a database. Raises `NewerDatabase`."""
        known = frozenset(node for node in applied if node[0] in loader.migrated_apps)
        if unknown := known - set(loader.graph.nodes):
            raise NewerDatabase(", ".join(sorted(".".join(node) for node in unknown)))
        state = loader.project_state(leaves(loader, known))
        held = tuple(table for table in in_order(state.apps) if not is_left_out(table.name))
        return cls(known, held)

    @classmethod
    def of_database(cls, connection: BaseDatabaseWrapper) -> "Schema":
        """Return the present form of a database, which may be that of an earlier version."""
        loader = MigrationLoader(connection)
        return cls.by_migrations(loader, loader.applied_migrations or {})


def leaves(loader: MigrationLoader, applied: frozenset[Node]) -> list[Node]:
    """Return the last of these migrations in each app."""
    nodes = [loader.graph.node_map[node] for node in applied]
    followed = {parent.key for node in nodes for parent in node.parents if parent.key[0] == node.key[0]}
    return sorted(applied - followed)


def is_left_out(name: str) -> bool:
    return name in LEFT_OUT or name.startswith(LEFT_OUT_PREFIXES)


def in_order(apps: Apps) -> list[Table]:
    """Return the tables of these models, each after those that it refers to."""
    tables = {
        model._meta.db_table: Table(model._meta.db_table, model)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    }
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for table in sorted(tables.values(), key=lambda table: table.name):
        parents = {_referred(field)._meta.db_table for field in table.fields if field.is_relation}
        sorter.add(table.name, *sorted(parents - {table.name}))
    return [tables[name] for name in sorter.static_order()]


def _referred(field: "models.Field[Any, Any]") -> type[models.Model]:
    if not isinstance(field, models.ForeignKey):
        raise TypeError(f"{field} refers to another table in a way that backups do not know.")
    return field.related_model
