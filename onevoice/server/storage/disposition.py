"""The Content-Disposition of a download (RFC 6266), whatever the user calls it."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

_ATTR_CHARS = "!#$&+-.^_`|~"
"""What RFC 8187 leaves as it is, besides letters and digits."""
_MAX_BYTES = 200


def attachment(filename: str) -> str:
    """``attachment; filename="…"; filename*=UTF-8''…`` in ASCII, without a way to break out.

    Old clients read ``filename``: letters without accents, the rest as underscores. All others read
    ``filename*``.
    """
    name = _plain(filename)
    simple = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    simple = re.sub(r"[^A-Za-z0-9 ._()\[\]+,=@-]", "_", simple).strip(" .")
    if not simple.rpartition(".")[0] and "." in name:
        simple = f"download.{simple.rpartition('.')[2]}"
    return f"attachment; filename=\"{simple or 'download'}\"; filename*=UTF-8''{_extended(name)}"


def _plain(filename: str) -> str:
    """The last part of a path, without control characters, and not too long for a file system."""
    name = unicodedata.normalize("NFC", filename).replace("\\", "/").rpartition("/")[2]
    # Controls, marks that turn the reading direction and halves of characters are not printable.
    name = "".join(c for c in " ".join(name.split()) if c.isprintable()).strip(" .") or "download"
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > 10:
        stem, dot, suffix = name, "", ""
    room = _MAX_BYTES - len(f"{dot}{suffix}".encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + suffix


def _extended(name: str) -> str:
    return quote(name, safe=_ATTR_CHARS)
