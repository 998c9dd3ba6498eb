"""Say in the file itself, for machines, that its voice is synthetic.

Everywhere as a line of the comment and, where a file has free tags, as ``synthetic_voice``. The
tags of MP4 and MOV are a fixed set, and ffmpeg's way to extend it drops the cover and hides title
and artist from players; so those get an XMP packet instead, which says it with the IPTC's own
term for sound that is partly made by a model (Digital Source Type).
"""

from __future__ import annotations

import struct
from pathlib import Path
from xml.sax.saxutils import escape

KEY = "synthetic_voice"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The box that ISO base media files carry XMP in (XMP Specification Part 3, 1.2.7.1)."""

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def comment(existing: str, mark: str) -> str:
    """The comment with the mark's line at its end; an older mark gives way."""
    kept = [line for line in existing.splitlines() if not line.startswith(f"{KEY}=")]
    return "\n".join([*kept, f"{KEY}={mark}"])


def append_xmp(path: Path, mark: str) -> None:
    """Add the XMP box at the end of a finished ISO base media file, where it moves nothing."""
    text = escape("".join(c for c in f"{KEY}={mark}" if c.isprintable()))
    packet = _PACKET.format(source_type=SOURCE_TYPE, text=text).encode()
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 24 + len(packet), b"uuid") + _XMP_BOX + packet)
