"""Reaching addresses that users chose, without reaching into our own network.

Every request of :func:`make_client` is held to http and https, to a few ports and to public
addresses. A name is looked up once, all its addresses are checked, and the connection goes to a
checked one, so that a second answer of the name server changes nothing; TLS still asks for the
name. Redirects are requests of their own. Hosts the operator listed (``import_hosts``) may have
private addresses and any port, never those of cloud metadata.
"""

from onevoice.server.net.client import make_client
from onevoice.server.net.fetching import Fetched, fetch
from onevoice.server.net.guard import (
    AddressRefused,
    AddressUnreachable,
    AddressUseless,
    ContentTooLarge,
    check_url,
)

__all__ = [
    "AddressRefused",
    "AddressUnreachable",
    "AddressUseless",
    "ContentTooLarge",
    "Fetched",
    "check_url",
    "fetch",
    "make_client",
]
