"""SCIM 2.0 (RFC 7643, 7644), as far as Entra ID and Okta use it: their directory tells who may be here."""
