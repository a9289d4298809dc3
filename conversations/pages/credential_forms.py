"""Forms for credentials. They do not check whether Omni accepts a token."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from omniviewer.accounts.encryption import digests
from omniviewer.accounts.models import Credential, User
from omniviewer.omni import BadAddress, Token, parse_address

# Characters that a header may carry; pasted tokens often bring white space or a "Bearer" along.
_TOKEN = re.compile(r"[\x21-\x7e]{8,2000}")


class TokenField(forms.CharField):
    """A token, never sent back to the page: after an error in another field it has to be pasted again."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}, render_value=False)
        super().__init__(widget=widget, **kwargs)

    def clean(self, value: Any) -> Token:
        text = re.sub(r"(?i)^(authorization:\s*)?(bearer\s+)", "", super().clean(value)).strip()
        if not _TOKEN.fullmatch(text):
            raise ValidationError("This is not a token: tokens are letters, digits and symbols without spaces.")
        return Token(text)


class LabelForm(forms.Form):
    """The name of a credential: a new one, or `credential` to rename it."""

    label = forms.CharField(max_length=60, label="Name")

    def __init__(self, owner: User, *args: Any, credential: Credential | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._others = Credential.objects.owned_by(owner)
        if credential:
            self.initial["label"] = credential.label
            self._others = self._others.exclude(pk=credential.pk)

    def clean_label(self) -> str:
        label: str = self.cleaned_data["label"]
        if self._others.filter(label=label).exists():
            raise ValidationError("You already have a credential with this name.")
        return label


class TokenForm(forms.Form):
    """A new token for a credential."""

    token = TokenField()


class HandOverForm(forms.Form):
    """The person who is to take over what a credential could read."""

    name = forms.CharField(
        max_length=254,
        label="Their e-mail address or username",
        help_text="They need an organization key of their own for the same Omni instance.",
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false", "autocomplete": "off"}),
    )


class TakeOverForm(forms.Form):
    """The credential that takes over what somebody offers."""

    def __init__(self, owner: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["credential"] = forms.ModelChoiceField(Credential.objects.owned_by(owner).accepted())


class ConnectForm(LabelForm):
    """A new credential. `instance_address` takes any address of Omni that people have at hand."""

    instance_address = forms.CharField(
        max_length=2000,
        widget=forms.TextInput(
            attrs={
                "placeholder": "https://your-company.omniapp.co",
                "inputmode": "url",
                "autocapitalize": "off",
                "spellcheck": "false",
                "autocomplete": "url",
            }
        ),
        help_text="The address where you log in to Omni. You can paste the address of any Omni page.",
    )
    token = TokenField(
        help_text="A personal access token from your Omni profile, or an organization API key. "
        "It is stored encrypted and never shown again."
    )

    field_order = ("instance_address", "token", "label")

    def __init__(self, owner: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(owner, *args, **kwargs)
        self.fields["label"].required = False
        self.fields["label"].help_text = "Optional. Helps when you connect more than one."

    def clean_instance_address(self) -> str:
        """Return the host that the credential will point to."""
        try:
            return parse_address(
                self.cleaned_data["instance_address"], allowed=settings.OMNI_HOSTS, loopback=settings.DEMO
            )
        except BadAddress as error:
            raise ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        super().clean()
        address, token = self.cleaned_data.get("instance_address"), self.cleaned_data.get("token")
        if address and token:
            twin = next(
                (row for row in self._others if _same(row, address, token)),
                None,
            )
            if twin:
                self.add_error("token", f"You have already connected this token, as “{twin.label}”.")
            self.cleaned_data["label"] = self.cleaned_data.get("label") or self._free_label(address)
        return self.cleaned_data

    def _free_label(self, address: str) -> str:
        stem = address.split(".", maxsplit=1)[0][:50] if "." in address and ":" not in address else address[:50]
        taken = {credential.label for credential in self._others}
        names = [stem, *(f"{stem} {number}" for number in range(2, len(taken) + 3))]
        return next(name for name in names if name not in taken)


def _same(credential: Credential, instance: str, token: Token) -> bool:
    return credential.instance == instance and credential.api_token.digest in digests(token)
