"""What the address of a page of the list may say."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from conversations.archive import CannotShow
from conversations.omni.replies import LONGEST_CURSOR
from conversations.tables import ROWS_A_PAGE
from omniviewer.accounts.models import Credential

_MEMBERSHIP = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class ListForm(forms.Form):
    """Which credential's list, of which member, from which of Omni's cursors on."""

    credential = forms.ModelChoiceField(
        Credential.objects.none(),
        required=False,
        error_messages={"invalid_choice": "This address names a credential that you do not have."},
    )
    member = forms.CharField(required=False, max_length=64)
    cursor = forms.CharField(
        required=False,
        max_length=LONGEST_CURSOR,
        strip=False,
        error_messages={"max_length": "This address names a place in the list that Omni never gave."},
    )

    def __init__(self, credentials: QuerySet[Credential], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._credentials = credentials
        choice = self.fields["credential"]
        assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101  (for the type checker)
        choice.queryset = credentials

    def clean_credential(self) -> Credential | None:
        """The named one, or the foremost."""
        return self.cleaned_data["credential"] or self._credentials.first()

    def clean_member(self) -> str:
        member: str = self.cleaned_data["member"]
        if member and not _MEMBERSHIP.fullmatch(member):
            raise ValidationError("A member is named by a membership id, such as 990e8400-e29b-41d4-a716-446655440004.")
        return member.lower()

    def clean(self) -> dict[str, Any]:
        super().clean()
        credential = self.cleaned_data.get("credential")
        if credential and self.cleaned_data.get("member") and not credential.sees_organization:
            self.add_error("member", "Only an organization key may filter by member.")
        return self.cleaned_data

    def query(self) -> dict[str, Any]:
        """What is asked for. Raises `CannotShow` where the reader has no credential, or asks for nonsense."""
        if not self._credentials:
            raise CannotShow(CannotShow.NO_CREDENTIAL)
        if not self.is_valid():
            said = next(str(error) for errors in self.errors.values() for error in errors)
            raise CannotShow(CannotShow.BAD_ADDRESS, said)
        return self.cleaned_data


class FreshForm(forms.Form):
    """What a page that asks for newer parts of itself shows already. Its own address: nothing is said of errors."""

    revision = forms.IntegerField(min_value=0, required=False)
    count = forms.IntegerField(min_value=0, max_value=10**6, required=False)
    shown = forms.CharField(max_length=64, required=False)
    looks = forms.IntegerField(min_value=1, max_value=1000)

    def clean(self) -> dict[str, Any]:
        super().clean()
        for name in ("revision", "count"):
            self.cleaned_data[name] = self.cleaned_data.get(name) or 0
        return self.cleaned_data


class RowsForm(forms.Form):
    """Which rows of a query are shown. What makes no sense counts for nothing: the table is there all the same."""

    sort = forms.IntegerField(min_value=1, max_value=10_000, required=False)
    down = forms.BooleanField(required=False)
    rows = forms.IntegerField(min_value=1, max_value=1_000_000, required=False)

    def wanted(self) -> dict[str, Any]:
        """For `shaping.rows`: the column to sort by (0: as Omni gave them), whether descending, and how many rows."""
        self.is_valid()
        said = self.cleaned_data
        return {
            "sort": said.get("sort") or 0,
            "descending": bool(said.get("down")),
            "most": max(said.get("rows") or 0, ROWS_A_PAGE),
        }
