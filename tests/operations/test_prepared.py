"""Prepared queries find what the same query finds that is built each time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from conversations.models.keys import Keys
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.audit.models import Event, Kind
from omniviewer.prepared import Prepared, PreparedInsert, slot
from tests.conftest import person

NOW = datetime(2026, 10, 12, 9, 30, tzinfo=UTC)
SOME = uuid4()


def add(kind: Kind, at: datetime, conversation_id: Any = None) -> Event:
    return Event.objects.create(kind=kind, at=at, conversation_id=conversation_id)


@pytest.mark.django_db
def test_values_of_each_type_find_their_rows() -> None:
    opened = add(Kind.OPENED, NOW, SOME)
    add(Kind.EXPORTED, NOW - timedelta(days=1), uuid4())
    for name, value in {"pk": opened.pk, "kind": "opened", "at": NOW, "conversation_id": SOME}.items():
        prepared = Prepared(partial(lambda column, _: Event.objects.filter(**{column: slot("value")}), name))
        assert prepared.rows(value=value) == [opened]
    between = Prepared(lambda _: Event.objects.filter(at__range=(slot("since"), slot("until"))).order_by("at"))
    assert [row.kind for row in between.rows(since=NOW - timedelta(days=2), until=NOW)] == ["exported", "opened"]
    assert [row.kind for row in between.rows(since=NOW - timedelta(days=2), until=NOW - timedelta(hours=1))] == [
        "exported"
    ]


@pytest.mark.django_db
def test_related_rows_and_single_columns_come_along(owner: User) -> None:
    token = ApiToken.objects.create(instance="omni.example", digest="a")
    held = Credential.objects.create(owner=owner, api_token=token, label="Omni")
    prepared = Prepared(lambda _: Credential.objects.owned_by(slot("owner")))
    (found,) = prepared.rows(owner=owner)
    with CaptureQueriesContext(connection) as captured:
        assert (found, found.api_token) == (held, token)
    assert len(captured) == 0
    labels = Prepared(lambda _: Credential.objects.filter(owner=slot("owner")).values_list("label", flat=True))
    assert labels.rows(owner=owner.pk) == ["Omni"]
    assert labels.rows(owner=0) == []


@pytest.mark.django_db
def test_many_keys_are_one_value() -> None:
    opened, exported = add(Kind.OPENED, NOW, SOME), add(Kind.EXPORTED, NOW)
    prepared = Prepared(lambda _: Event.objects.filter(pk__in=Keys(slot("keys"))).order_by("pk"))
    assert prepared.rows(keys=[opened.pk, exported.pk, exported.pk + 1]) == [opened, exported]
    assert prepared.rows(keys=[]) == []
    assert list(Event.objects.filter(pk__in=Keys([exported.pk]))) == [exported]


@pytest.mark.django_db
def test_raw_rows_are_made_into_the_same_values_later() -> None:
    add(Kind.OPENED, NOW, SOME)
    add(Kind.EXPORTED, NOW)
    prepared = Prepared(lambda _: Event.objects.order_by("pk").values_list("kind", "at", "conversation_id"))
    raw = prepared.raw()
    assert raw.converted(raw.values) == prepared.rows() == [("opened", NOW, SOME), ("exported", NOW, None)]
    assert raw.converted(raw.values[1:]) == [("exported", NOW, None)]
    assert raw.values == prepared.raw().values
    nothing = Prepared(lambda _: Event.objects.filter(pk__in=[]).values_list("kind")).raw()
    assert nothing.converted(nothing.values) == nothing.values == []


@pytest.mark.django_db
def test_each_shape_has_its_own_statement() -> None:
    def of_kinds(count: int) -> QuerySet[Event]:
        rows = Event.objects.filter(kind__in=[slot(f"kind{number}") for number in range(count)])
        return rows.order_by("pk")

    prepared = Prepared(of_kinds)
    opened, exported = add(Kind.OPENED, NOW), add(Kind.EXPORTED, NOW)
    assert prepared.rows(1, kind0="opened") == [opened]
    assert prepared.rows(2, kind0="opened", kind1="exported") == [opened, exported]
    # Without a kind, no row can match, so nothing is asked.
    with CaptureQueriesContext(connection) as captured:
        assert prepared.rows(0) == []
    assert len(captured) == 0
    # However many shapes there are, few are stored.
    many = Prepared(lambda _: of_kinds(1))
    for number in range(500):
        assert many.rows(number, kind0="opened") == [opened]
    assert len(many._plans) <= 200


@pytest.mark.django_db
def test_what_sql_would_compare_otherwise_is_refused() -> None:
    prepared = Prepared(lambda _: Event.objects.filter(position=slot("position")))
    with pytest.raises(TypeError, match="None"):
        prepared.rows(position=None)
    with pytest.raises(KeyError):
        prepared.rows()


@pytest.mark.django_db(transaction=True)
def test_threads_share_it() -> None:
    people = [person(f"reader-{number}") for number in range(8)]
    prepared = Prepared(lambda _: User.objects.filter(username=slot("name")))

    def read(number: int) -> int:
        try:
            return prepared.rows(name=people[number % 8].username)[0].pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(200))) == [people[number % 8].pk for number in range(200)]


@pytest.mark.django_db
def test_a_row_is_inserted_whole() -> None:
    row = Event(kind=Kind.OPENED, at=NOW, who="Ana", conversation_id=SOME, position=3, address="10.0.0.7")
    PreparedInsert(Event).run(row)
    stored = Event.objects.get(pk=row.pk)
    names = [field.attname for field in Event._meta.concrete_fields]
    assert [getattr(stored, name) for name in names] == [getattr(row, name) for name in names]
    assert not row._state.adding
