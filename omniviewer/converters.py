"""Numbers in addresses, up to the largest that the database can hold: larger ones lead nowhere."""

from django.urls import register_converter
from django.urls.converters import IntConverter

_LARGEST = 2**63 - 1


class Number(IntConverter):
    """A primary key, or a position within a conversation."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        """Raises `ValueError`, with which Django looks for another address that fits."""
        number = int(value)
        if number > _LARGEST:
            raise ValueError(value)
        return number


def register() -> None:
    register_converter(Number, "number")
