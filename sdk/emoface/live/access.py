"""Who may speak to a server: loopback or token, compared in constant time."""

from __future__ import annotations

import hmac
import ipaddress

from emoface.errors import UsageError


def is_loopback(address: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def check_bind(address: str, token: str | None, certificates: bool = False) -> None:
    """Refuse a public address that anyone may use.

    Args:
        address: to listen on.
        token: what clients must send, or None.
        certificates: whether clients must show a certificate.

    Raises:
        UsageError.
    """
    if not token and not certificates and not is_loopback(address):
        raise UsageError(f"the public address {address} without a token", "a token", "Give one, or use 127.0.0.1.")


def may_enter(authorization: str, token: str | None) -> bool:
    """Whether a header `Authorization` holds the token; always where there is none."""
    return not token or hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())
