"""The machine-readable mark "made by a machine" inside the files themselves (XMP).

IPTC's DigitalSourceType is an XMP property; containers that lavf writes without XMP get it
added here.  Where it lies: mp4 and mov: a top-level `uuid` box (XMP specification part 3);
GIF: the "XMP Data" application extension; WebP: an `XMP ` chunk; PNG: an iTXt chunk, written
by `enliven.media.image`; WebM and Matroska have tags of their own instead.
"""

import struct
from pathlib import Path
from xml.sax.saxutils import escape

# the key in `metadata` whose value is an IPTC digital source type (a URI)
SOURCE_TYPE = "digital_source_type"

_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")

# A GIF reader that does not know XMP reads its bytes as block lengths; this run of falling
# bytes leads it to the end from wherever it lands.
_GIF_LANDING = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"


def xmp_packet(source_type: str, description: str) -> str:
    """An XMP packet with an IPTC digital source type and a description."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<Iptc4xmpExt:DigitalSourceType>{escape(source_type)}</Iptc4xmpExt:DigitalSourceType>"
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(description)}</rdf:li>'
        "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    )


def add_xmp(path: Path, suffix: str, xmp: str) -> None:
    """Adds an XMP packet to a finished mp4, m4v, mov, gif or webp file, in place."""
    packet = xmp.encode()
    if suffix in (".mp4", ".m4v", ".mov"):
        with open(path, "ab") as file:
            file.write(struct.pack(">I4s", 24 + len(packet), b"uuid") + _UUID + packet)
    elif suffix == ".gif":
        with open(path, "r+b") as file:
            file.seek(-1, 2)  # the trailer byte, written again behind
            file.write(b"\x21\xff\x0bXMP DataXMP" + packet + _GIF_LANDING + b"\x3b")
    elif suffix == ".webp":
        path.write_bytes(_webp_with_xmp(path.read_bytes(), packet))


def _webp_with_xmp(content: bytes, packet: bytes) -> bytes:
    """An extended WebP (one with a VP8X chunk, as every animation has) with an XMP chunk."""
    if content[12:16] != b"VP8X":
        raise ValueError("the WebP file is of the simple kind, which holds no metadata")
    flags = content[20] | 0x04
    chunk = b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)
    body = content[8:20] + bytes([flags]) + content[21:] + chunk
    return b"RIFF" + struct.pack("<I", len(body)) + body
