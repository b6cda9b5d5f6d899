"""Photos in: any size, orientation, depth and colour model to 8-bit sRGB; PNG out."""

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from enliven.errors import BadMedia
from enliven.media.files import check_output, decoding, input_file, whole_file, writing

MAX_SIDE_PX = 4096  # a longer photo is reduced to this; few players show wider H.264
MAX_PIXELS = 89_000_000  # more is refused: decoding would take a gigabyte
MAX_BYTES = 256 * 2**20

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")


@dataclass(frozen=True)
class Image:
    """A photo as read.

    pixels: (H, W, 3) uint8, sRGB, upright.
    alpha: (H, W) uint8, or None where the photo is opaque.
    digest: SHA-256 of the file's bytes.
    notes: what was changed on reading, one sentence each, for the user.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    digest: str
    path: Path
    notes: tuple[str, ...] = ()


def read_image(path: str | os.PathLike[str]) -> Image:
    """Reads a photo: JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF.

    The EXIF orientation is applied and an ICC profile converted to sRGB.  Of an animation the
    first frame is used, 16 bits are reduced to 8, a photo longer than MAX_SIDE_PX is reduced
    to that; `notes` says so.  Raises BadMedia for anything that is no complete photo of at
    most MAX_PIXELS.
    """
    path = input_file(path)
    if path.stat().st_size > MAX_BYTES:
        raise BadMedia(f"{path} has {path.stat().st_size / 2**20:.0f} MB; photos up to "
                       f"{MAX_BYTES // 2**20} MB are read. Save it as JPEG first")  # fmt: skip
    content = path.read_bytes()
    notes: list[str] = []
    with decoding(path, "a photo"), warnings.catch_warnings():
        # oddities in metadata, and sizes that are judged below
        warnings.simplefilter("ignore")
        photo = _decoded(path, content, notes)
        pixels, alpha = _to_srgb(photo, notes)
    return Image(pixels, alpha, hashlib.sha256(content).hexdigest(), path, tuple(notes))


def _decoded(path: Path, content: bytes, notes: list[str]) -> Pillow.Image:
    """The upright photo, not yet sRGB, at most MAX_SIDE_PX long."""
    try:
        photo: Pillow.Image = Pillow.open(io.BytesIO(content), formats=FORMATS)
    except Pillow.DecompressionBombError:
        raise _too_large(path, f"more than {2 * MAX_PIXELS}") from None
    except Pillow.UnidentifiedImageError:
        raise BadMedia(_unknown(path, content)) from None
    width, height = photo.size
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{width} x {height}")
    if getattr(photo, "n_frames", 1) > 1 and photo.format != "MPO":
        notes.append(f"{path.name} is animated; its first frame is used")
    # a JPEG can be decoded at a half, a quarter or an eighth for a fraction of the memory
    photo.draft(None, (MAX_SIDE_PX, MAX_SIDE_PX))
    ImageOps.exif_transpose(photo, in_place=True)  # not a copy, of which a large one is costly
    if max(width, height) <= MAX_SIDE_PX:
        return photo
    scale = MAX_SIDE_PX / max(photo.size)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    notes.append(f"{path.name} is {max(width, height)} pixels long; it was reduced to "
                 f"{size[0]} x {size[1]}")  # fmt: skip
    reduced = _resizable(photo, notes).resize(size, Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    reduced.info = {"icc_profile": photo.info.get("icc_profile")}
    return reduced


def _too_large(path: Path, size: str) -> BadMedia:
    return BadMedia(f"{path} has {size} pixels; at most {MAX_PIXELS // 10**6} million are read. "
                    f"Save a copy of at most {MAX_SIDE_PX} pixels a side and use that")  # fmt: skip


def _unknown(path: Path, content: bytes) -> str:
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return f"{path} is a HEIC photo, which is not read; export it as JPEG or PNG"
    return (f"{path} is no photo that can be read, or its beginning is damaged; use a JPEG, PNG "
            "or WebP file")  # fmt: skip


def _resizable(photo: Pillow.Image, notes: list[str]) -> Pillow.Image:
    """Palettes and deep pixels cannot be interpolated as they are."""
    photo = _eight_bit(photo, notes)
    if photo.mode in ("P", "PA", "1"):
        return photo.convert("RGBA" if photo.has_transparency_data else "RGB")
    return photo


def _eight_bit(photo: Pillow.Image, notes: list[str]) -> Pillow.Image:
    if not photo.mode.startswith(("I", "F")):
        return photo
    values = np.asarray(photo).astype(np.float64)
    # 32-bit integers hold 16-bit samples in PNG; floats are taken as 0 to 1
    full = 1.0 if photo.mode == "F" else 65535.0
    notes.append("the photo's deep grey levels were reduced to 8 bits")
    grey = np.nan_to_num(values * (255.0 / full), nan=0.0, posinf=255.0, neginf=0.0)
    reduced = Pillow.fromarray(np.rint(grey).clip(0, 255).astype(np.uint8))
    reduced.info = dict(photo.info)
    reduced.info.pop("transparency", None)
    return reduced


def _to_srgb(
    photo: Pillow.Image, notes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    photo = _eight_bit(photo, notes)
    alpha = None
    if photo.has_transparency_data:
        alpha = np.asarray(photo.convert("RGBA"))[..., 3]
        alpha = None if (alpha == 255).all() else np.ascontiguousarray(alpha)
    if photo.mode == "CMYK":
        notes.append("the photo's printing colours (CMYK) were converted to sRGB")
    colours = _colour_managed(photo) or photo
    if colours.mode in ("P", "PA", "LA", "La", "RGBa"):
        colours = colours.convert("RGBA")  # straight alpha first, so that no colour is lost
    return np.array(colours.convert("RGB"), np.uint8), alpha


def _colour_managed(photo: Pillow.Image) -> Pillow.Image | None:
    """The photo through its ICC profile in sRGB, or None where there is nothing to convert."""
    profile = photo.info.get("icc_profile")
    if not profile:
        return None
    if photo.mode in ("P", "PA", "RGBA", "RGBa"):
        photo = photo.convert("RGBA").convert("RGB")
    elif photo.mode in ("LA", "La", "1"):
        photo = photo.convert("L")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.profileToProfile(photo, source, ImageCms.createProfile("sRGB"),
                                         outputMode="RGB")  # fmt: skip
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # a damaged or unfitting profile: everybody then shows the plain values


def png_bytes(pixels: NDArray[np.uint8], xmp: str = "", level: int = 6) -> bytes:
    """A PNG of (H, W), (H, W, 3) or (H, W, 4) uint8; the same bytes for the same pixels."""
    info = PngInfo()
    if xmp:
        info.add_itxt("XML:com.adobe.xmp", xmp)
    file = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(
        file, "PNG", pnginfo=info, compress_level=level
    )
    return file.getvalue()


def write_png(
    path: str | os.PathLike[str], pixels: NDArray[np.uint8], overwrite: bool = False
) -> Path:
    """Writes (H, W), (H, W, 3) or (H, W, 4) uint8 as PNG.

    Raises OutputExists or OutputError; the file appears whole or not at all.
    """
    target = check_output(path, overwrite=overwrite)
    with whole_file(target, overwrite=overwrite) as hidden, writing(target):
        hidden.write_bytes(png_bytes(pixels))
    return target
