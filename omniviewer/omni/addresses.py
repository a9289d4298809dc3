"""Addresses of Omni instances: what people paste, the host that is kept, and which links really lead to Omni."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

# Omni's own domains. Deep links live under omni.co, the API of the same instance under omniapp.co.
OMNI_DOMAINS = ("omni.co", "omniapp.co", "exploreomni.dev")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class BadAddress(ValueError):
    """An instance address that cannot be used. Its text is a sentence fit for a page."""


def parse_address(pasted: str, *, allowed: Iterable[str], loopback: bool = False) -> str:
    """Return the host (with its port on loopback) from any form of address that people paste.

    Takes a host name, a base URL with or without `/api`, or the URL of any page of the instance. A deep link's
    `NAME.omni.co` becomes `NAME.omniapp.co`, where the API is. `allowed` are host names that allow themselves and all
    below them; `loopback` lets this machine's own addresses through, over http (the demo). Raises `BadAddress`.
    """
    text = pasted.strip()
    parts = _split(text if "://" in text else f"https://{text}")
    host = (parts.hostname or "").rstrip(".")
    if loopback and is_loopback(host):
        port = parts.port or 80
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if parts.scheme != "https":
        raise BadAddress("Omni is reached over https only. Write the address with https:// or without a scheme.")
    if not _HOST.fullmatch(host) or "." not in host:
        raise BadAddress("This is not the address of an Omni instance. It looks like https://your-company.omniapp.co.")
    if parts.port not in (None, 443):
        raise BadAddress("An Omni instance is reached on the standard https port. Leave the port out of the address.")
    if host.endswith(".omni.co"):
        host = host.removesuffix(".omni.co") + ".omniapp.co"
    if not _is_under(host, allowed):
        names = ", ".join(sorted(allowed))
        raise BadAddress(f"This site connects to Omni instances under these hosts only: {names}.")
    return host


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadAddress("This is not an address. It looks like https://your-company.omniapp.co.") from None
    if parts.username is not None or parts.password is not None:
        raise BadAddress("Leave user names and passwords out of the address.")
    return parts


def base_url(instance: str) -> str:
    """Return where an instance's API is, without a trailing slash."""
    return f"{site_url(instance)}api"


def site_url(instance: str) -> str:
    """Return where an instance's pages are, with a trailing slash. Only loopback (the demo) goes over http."""
    scheme = "http" if is_loopback_instance(instance) else "https"
    return f"{scheme}://{instance}/"


def is_loopback_instance(instance: str) -> bool:
    """Return whether the instance is on this machine, as the demo's is."""
    return is_loopback(instance.rsplit(":", 1)[0].strip("[]"))


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(address: str, besides: Iterable[Network] = ()) -> bool:
    """Return whether an IP address belongs to the public internet, or to one of the networks in `besides`.

    For an address that carries another one (IPv4 in IPv6, NAT64, 6to4, Teredo), the carried one counts.
    https://www.iana.org/assignments/iana-ipv4-special-registry
    """
    found = _carried(ipaddress.ip_address(address.split("%", maxsplit=1)[0]))
    if any(found.version == network.version and found in network for network in besides):
        return True
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_link_local or found.is_private)


def _carried(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address


# A path as Omni writes it, and nothing else that might be taken for one.
_PATH = re.compile(r"/?+[\w.~%-]++(?:/[\w.~%-]*+)*+(?:\?[\w.~%=&+-]*+)?(?:#[\w-]*+)?", re.ASCII)


def omni_link(told: str, instance: str) -> str:
    """Return a link that Omni gave as an address, a path being one of the instance; "" where it leads elsewhere."""
    told = told.strip()
    is_path = "/" in told and ".." not in told and bool(_PATH.fullmatch(told))
    url = site_url(instance) + told.removeprefix("/") if is_path else told
    if is_path and is_loopback_instance(instance):
        return url if re.fullmatch(r"[!-~]+", url) and "\\" not in url else ""
    return url if url and is_omni_link(url, instance) else ""


def is_umbrella(host: str) -> bool:
    """Return whether a host is no instance itself, and stands for the instances below it."""
    return host in (*OMNI_DOMAINS, "playground.exploreomni.dev")


def is_omni_link(url: str, instance: str) -> bool:
    """Return whether a link in a reply leads to Omni: https, on the instance itself or one of Omni's own domains."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme != "https" or parts.username is not None or port not in (None, 443):
        return False
    # The link's text is shown too: it must not hide characters, or change the direction of the rest.
    if not _HOST.fullmatch(host) or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        return False
    return host == instance or _is_under(host, OMNI_DOMAINS)


def _is_under(host: str, domains: Iterable[str]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
