"""Photos of every kind come out as upright 8-bit sRGB.  Run: pytest tests/test_media_image.py"""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from enliven.errors import BadMedia, OutputError, OutputExists
from enliven.media.image import MAX_SIDE_PX, read_image, write_png

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def upright():
    """A (24, 32, 3) picture without any symmetry."""
    y, x = np.mgrid[:24, :32]
    return np.stack([8 * x, 10 * y, 3 * (x + y)], -1).astype(np.uint8)


def saved(path, picture, **options):
    Pillow.fromarray(picture).save(path, **options)
    return path


# How a camera held in each way stores an upright picture (EXIF 2.32, tag 274).
STORED = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_exif_orientation(tmp_path, upright, orientation, suffix):
    exif = Pillow.Exif()
    exif[274] = orientation
    options = {"png": {}, "jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
    stored = np.ascontiguousarray(STORED[orientation](upright))
    path = saved(tmp_path / f"photo.{suffix}", stored, exif=exif, **options[suffix])
    image = read_image(path)
    assert image.pixels.shape == upright.shape
    assert np.abs(image.pixels.astype(int) - upright).max() <= (0 if suffix != "jpg" else 6)


@quick
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3, 4]), st.integers(0, 9))
def test_png_round_trip(tmp_path, height, width, channels, seed):
    shape = (height, width, channels) if channels > 1 else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    image = read_image(write_png(tmp_path / "a.png", pixels, overwrite=True))
    colour = pixels[..., :3] if channels > 1 else np.repeat(pixels[..., None], 3, -1)
    assert np.array_equal(image.pixels, colour)
    if channels == 4:
        alpha = np.full((height, width), 255) if image.alpha is None else image.alpha
        assert np.array_equal(alpha, pixels[..., 3])
    else:
        assert image.alpha is None


def test_sixteen_bit_grey_keeps_its_range(tmp_path):
    deep = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)  # 0, 257 ... = 0, 1 ... * 257
    path = tmp_path / "deep.png"
    Pillow.fromarray(deep).save(path)
    image = read_image(path)
    assert np.array_equal(image.pixels[..., 0].ravel(), np.arange(256))
    assert "8 bits" in image.notes[0]


def test_cmyk(tmp_path):
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[:, 4:, 1:3] = 255  # magenta and yellow make red; no ink makes white
    path = tmp_path / "ink.jpg"
    Pillow.fromarray(ink, "CMYK").save(path, quality=100, subsampling=0)
    image = read_image(path)
    assert image.pixels[4, 0].min() > 245
    assert image.pixels[4, 7, 0] > 245
    assert image.pixels[4, 7, 1:].max() < 10
    assert "CMYK" in image.notes[0]


def test_palette_with_a_transparent_colour(tmp_path):
    picture = Pillow.new("P", (4, 2))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putdata([0, 1, 0, 1, 1, 0, 1, 0])
    picture.save(tmp_path / "p.png", transparency=1)
    image = read_image(tmp_path / "p.png")
    assert image.alpha.tolist() == [[255, 0, 255, 0], [0, 255, 0, 255]]
    assert image.pixels[0, 0].tolist() == [255, 0, 0]
    assert image.pixels[0, 1].tolist() == [0, 0, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA"])
def test_other_models(tmp_path, mode):
    Pillow.new(mode, (5, 3), "white").save(tmp_path / "w.png")
    image = read_image(tmp_path / "w.png")
    assert image.pixels.shape == (3, 5, 3)
    assert (image.pixels == 255).all()
    assert image.alpha is None  # opaque throughout


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animation_gives_its_first_frame(tmp_path, suffix):
    first, second = Pillow.new("RGB", (6, 6), "red"), Pillow.new("RGB", (6, 6), "blue")
    path = tmp_path / f"moving.{suffix}"
    first.save(path, save_all=True, append_images=[second], duration=100)
    image = read_image(path)
    assert image.pixels[3, 3, 0] > 240
    assert image.pixels[3, 3, 2] < 15
    assert "animated" in image.notes[0]


def icc_profile(red, green, blue):
    """The least matrix profile: three primaries (XYZ at D50) and gamma 2.2."""

    def number(value):
        return struct.pack(">i", round(value * 65536))

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(number(v) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    white = (0.9642, 1.0, 0.8249)
    tags = [(b"desc", text), (b"cprt", b"text\0\0\0\0none\0\0\0\0"), (b"wtpt", xyz(white)),
            (b"rXYZ", xyz(red)), (b"gXYZ", xyz(green)), (b"bXYZ", xyz(blue)),
            (b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)]  # fmt: skip
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags:
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"\0" * 4, 0x02100000, b"mntr", b"RGB ",
                         b"XYZ ") + bytes(12) + b"acsp" + bytes(28)  # fmt: skip
    header += b"".join(number(v) for v in white)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


SRGB_PRIMARIES = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)


def test_colour_profile_is_applied(tmp_path):
    red, green, blue = SRGB_PRIMARIES
    swapped = icc_profile(blue, green, red)
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., 0] = 255
    image = read_image(saved(tmp_path / "swapped.png", picture, icc_profile=swapped))
    assert np.abs(image.pixels[0, 0].astype(int) - [0, 0, 255]).max() < 12
    damaged = read_image(saved(tmp_path / "damaged.png", picture, icc_profile=b"nonsense"))
    assert np.array_equal(damaged.pixels, picture)


def test_long_photo_is_reduced_and_says_so(tmp_path):
    path = saved(tmp_path / "long.png", np.full((100, 6000, 3), 90, np.uint8))
    image = read_image(path)
    assert image.pixels.shape == (68, MAX_SIDE_PX, 3)
    assert (image.pixels == 90).all()
    assert "6000" in image.notes[0]


def test_gigantic_photo_is_refused_before_it_is_decoded(tmp_path):
    def chunk(name, content):
        return (struct.pack(">I", len(content)) + name + content
                + struct.pack(">I", zlib.crc32(name + content)))  # fmt: skip

    for side in (10_000, 20_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        path = tmp_path / f"{side}.png"
        content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
        with pytest.raises(BadMedia, match="million"):
            read_image(path)


def test_not_a_photo(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "words.jpg").write_text("this is text, not a photo")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    for name, reason in [("empty.jpg", "empty"), ("words.jpg", "JPEG"), ("phone.heic", "HEIC"),
                         ("absent.jpg", "does not exist"), ("", "folder")]:  # fmt: skip
        with pytest.raises(BadMedia, match=reason):
            read_image(tmp_path / name)


@quick
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"]), st.floats(0, 1))
def test_a_cut_off_photo_is_refused_or_whole(tmp_path, kind, share):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, kind)
    (tmp_path / "whole").write_bytes(file.getvalue())
    whole = read_image(tmp_path / "whole").pixels
    (tmp_path / "cut").write_bytes(file.getvalue()[: int(share * len(file.getvalue()))])
    with contextlib.suppress(BadMedia):
        assert np.array_equal(read_image(tmp_path / "cut").pixels, whole)


@quick
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF"]), st.data())
def test_a_damaged_photo_raises_nothing_but_bad_media(tmp_path, kind, data):
    file = io.BytesIO()
    Pillow.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(file, kind)
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged").write_bytes(content)
    try:
        image = read_image(tmp_path / "damaged")
        assert image.pixels.dtype == np.uint8
    except BadMedia:
        pass


@quick
@given(st.binary(max_size=300))
def test_random_bytes_are_no_photo(tmp_path, content):
    (tmp_path / "noise").write_bytes(content)
    with pytest.raises(BadMedia):
        read_image(tmp_path / "noise")


def test_write_png_never_replaces_unasked(tmp_path):
    pixels = np.zeros((2, 2, 3), np.uint8)
    path = write_png(tmp_path / "ein Bild \u00e4\u6f22.png", pixels)
    with pytest.raises(OutputExists):
        write_png(path, pixels + 1)
    assert (read_image(path).pixels == 0).all()
    write_png(path, pixels + 1, overwrite=True)
    assert (read_image(path).pixels == 1).all()
    with pytest.raises(OutputError):
        write_png(tmp_path / "absent" / "a.png", pixels)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
