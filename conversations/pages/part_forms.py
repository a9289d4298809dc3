"""Forms for the addresses of parts of pages: what has changed meanwhile, and the rows of a query."""

from typing import Any

from django import forms

from conversations.tables.parsing import ROWS_A_PAGE


class FreshForm(forms.Form):
    """State of a page that asks for newer parts of itself. The page made this address, so errors are not reported."""

    revision = forms.IntegerField(min_value=0, max_value=2**63 - 1, required=False)
    count = forms.IntegerField(min_value=0, max_value=10**6, required=False)
    shown = forms.CharField(max_length=64, required=False)
    looks = forms.IntegerField(min_value=1, max_value=1000)

    def clean(self) -> dict[str, Any]:
        super().clean()
        for name in ("revision", "count"):
            self.cleaned_data[name] = self.cleaned_data.get(name) or 0
        return self.cleaned_data


class RowsForm(forms.Form):
    """The rows of a query to show. Values that make no sense are ignored: the table is shown all the same."""

    sort = forms.IntegerField(min_value=1, max_value=10_000, required=False)
    down = forms.BooleanField(required=False)
    rows = forms.IntegerField(min_value=1, max_value=1_000_000, required=False)
    filter = forms.CharField(max_length=200, required=False)

    def wanted(self) -> dict[str, Any]:
        """Return arguments of `paging.page_of`: column to sort by (0: Omni's order), direction, number and words."""
        self.is_valid()
        said = self.cleaned_data
        return {
            "sort": said.get("sort") or 0,
            "descending": bool(said.get("down")),
            "most": max(said.get("rows") or 0, ROWS_A_PAGE),
            "words": said.get("filter") or "",
        }
