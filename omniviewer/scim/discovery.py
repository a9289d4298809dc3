"""Capabilities of this SCIM server, and the attributes that it stores: a directory may ask before it begins."""

from typing import Any

from omniviewer.scim import groups, people
from omniviewer.scim.messages import MAX_COUNT

_CORE = "urn:ietf:params:scim:schemas:core:2.0:"
_NO = {"supported": False}

SERVICE_PROVIDER_CONFIG: dict[str, Any] = {
    "schemas": [f"{_CORE}ServiceProviderConfig"],
    "patch": {"supported": True},
    "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": True, "maxResults": MAX_COUNT},
    "changePassword": _NO,
    "sort": _NO,
    "etag": _NO,
    "authenticationSchemes": [
        {
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token whose hash stands in OMNIVIEWER_SCIM_TOKEN_HASHES.",
            "primary": True,
        }
    ],
    "meta": {"resourceType": "ServiceProviderConfig"},
}
RESOURCE_TYPES: list[dict[str, Any]] = [
    {
        "schemas": [f"{_CORE}ResourceType"],
        "id": name,
        "name": name,
        "endpoint": f"/{name}s",
        "description": description,
        "schema": schema,
        "schemaExtensions": [],
        "meta": {"resourceType": "ResourceType"},
    }
    for name, description, schema in (
        ("User", "A person who may sign in", people.SCHEMA),
        ("Group", "A group that a setting may give a role to", groups.SCHEMA),
    )
]


def _attribute(name: str, kind: str = "string", **but: Any) -> dict[str, Any]:
    usual = {
        "name": name,
        "type": kind,
        "multiValued": False,
        "description": "",
        "required": False,
        "mutability": "readWrite",
        "returned": "default",
    }
    text = {"caseExact": False, "uniqueness": "none"} if kind == "string" else {}
    return usual | text | but


_OF_A_MEMBER = [
    _attribute("value", mutability="immutable", caseExact=True),
    _attribute("$ref", "reference", mutability="immutable", referenceTypes=["User"]),
    _attribute("display", mutability="readOnly"),
    _attribute("type", mutability="immutable", canonicalValues=["User"]),
]
_OF_AN_ADDRESS = [
    _attribute("value"),
    _attribute("type", mutability="readOnly", canonicalValues=["work"]),
    _attribute("primary", "boolean", mutability="readOnly"),
]
_OF_A_NAME = [_attribute("givenName"), _attribute("familyName")]
_OF_A_GROUP = [_attribute(name, mutability="readOnly") for name in ("value", "display", "type")]
_ATTRIBUTES = {
    people.SCHEMA: [
        _attribute("userName", required=True, uniqueness="server"),
        _attribute("externalId", caseExact=True, uniqueness="server"),
        _attribute("name", "complex", subAttributes=_OF_A_NAME),
        _attribute("displayName"),
        _attribute("emails", "complex", multiValued=True, subAttributes=_OF_AN_ADDRESS),
        _attribute("active", "boolean"),
        _attribute("groups", "complex", multiValued=True, mutability="readOnly", subAttributes=_OF_A_GROUP),
    ],
    groups.SCHEMA: [
        _attribute("displayName", required=True, uniqueness="server"),
        _attribute("externalId", caseExact=True),
        _attribute("members", "complex", multiValued=True, subAttributes=_OF_A_MEMBER),
    ],
}
SCHEMAS: list[dict[str, Any]] = [
    {
        "schemas": [f"{_CORE}Schema"],
        "id": schema,
        "name": schema.rpartition(":")[2],
        "description": "",
        "attributes": attributes,
        "meta": {"resourceType": "Schema"},
    }
    for schema, attributes in _ATTRIBUTES.items()
]
