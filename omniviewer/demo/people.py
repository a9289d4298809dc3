"""The people of the demo, and the tokens with which Omni's stand-in knows them."""

from typing import NamedTuple


class Person(NamedTuple):
    username: str
    first_name: str
    last_name: str
    about: str
    # The stand-in's demo token that they have connected, or "" for none yet.
    token: str
    # Staff may see the administration, the figures of what is stored and the audit log; they read no more than others.
    is_staff: bool = False


PEOPLE = (
    Person(
        "analyst",
        "Ana",
        "Lindqvist",
        "An analyst with a personal token: sees her own conversations.",
        "analyst",
    ),
    Person("lead", "Marcus", "Okafor", "A team lead with an organization key: sees everybody’s conversations.", "lead"),
    Person("support", "Sam", "Support", "A support engineer who has not connected Omni yet.", ""),
    Person(
        "administrator",
        "Ines",
        "Admin",
        "Site staff without a token: sees the administration, stored data and the audit log.",
        "",
        is_staff=True,
    ),
)
