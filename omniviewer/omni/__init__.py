"""The only place that speaks HTTP to Omni. It knows no Django model."""

from omniviewer.omni.addresses import BadAddress, is_omni_link, omni_link, parse_address, site_url
from omniviewer.omni.client import CONVERSATIONS_A_PAGE, PEOPLE_A_PAGE, PEOPLE_PATHS, Client, Token
from omniviewer.omni.errors import (
    OF_THE_TOKEN,
    BadRequest,
    CannotAsk,
    NotSent,
    NotVisible,
    OmniError,
    RateLimited,
    Resting,
    TokenRejected,
    Unreadable,
)

__all__ = [
    "CONVERSATIONS_A_PAGE",
    "OF_THE_TOKEN",
    "PEOPLE_A_PAGE",
    "PEOPLE_PATHS",
    "BadAddress",
    "BadRequest",
    "CannotAsk",
    "Client",
    "NotSent",
    "NotVisible",
    "OmniError",
    "RateLimited",
    "Resting",
    "Token",
    "TokenRejected",
    "Unreadable",
    "is_omni_link",
    "omni_link",
    "parse_address",
    "site_url",
]
