"""The one place that touches espeak-ng: a program of its own, started once for each text.

Nothing of the library is ever loaded into the program that asks: espeak-ng is under the GPL,
keeps the state of its oscillators from text to text, so that only a fresh process gives the same
samples for the same words, and may crash when it is initialised twice.

Standard input: one JSON object, see `answer`.  Standard output: one line of JSON, then for
speech its samples, int16 in the byte order of the machine.
"""

import ctypes
import json
import sys
from typing import Any, NoReturn

# Numbers from espeak-ng's speak_lib.h, version 1.52.
SYNCHRONOUS = 2
PHONE_EVENTS_IN_IPA, DO_NOT_EXIT = 0x0003, 0x8000
UTF8 = 1
RATE, PITCH, RANGE = 1, 3, 4
LIST_ENDS, PHONE = 0, 7


class Identity(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint),
                ("text_position", ctypes.c_int), ("length", ctypes.c_int),
                ("audio_position", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("id", Identity)]  # fmt: skip


class Voice(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("languages", ctypes.POINTER(ctypes.c_char)),
                ("identifier", ctypes.c_char_p), ("gender", ctypes.c_ubyte),
                ("age", ctypes.c_ubyte), ("variant", ctypes.c_ubyte), ("xx1", ctypes.c_ubyte),
                ("score", ctypes.c_int), ("spare", ctypes.c_void_p)]  # fmt: skip


Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
)


def fail(text: str) -> NoReturn:
    sys.stderr.write(text)
    sys.exit(1)


def load(library: str, data: str) -> tuple[ctypes.CDLL, int]:
    """The initialised library and its sample rate in Hz."""
    lib = ctypes.CDLL(library)
    lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    lib.espeak_SetSynthCallback.argtypes = [Callback]
    lib.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    lib.espeak_SetParameter.argtypes = [ctypes.c_int] * 3
    lib.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
                                 ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p,
                                 ctypes.c_void_p]  # fmt: skip
    lib.espeak_ListVoices.argtypes = [ctypes.POINTER(Voice)]
    lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(Voice))
    rate = lib.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), PHONE_EVENTS_IN_IPA | DO_NOT_EXIT)
    if rate <= 0:
        fail(f"it cannot read its data at {data}")
    return lib, rate


def names(voice: Voice) -> list[str]:
    """Languages of a voice: each a byte of priority and a name that ends with 0."""
    found, at = [], 0
    while voice.languages[at] != b"\0":
        name, at = b"", at + 1
        while voice.languages[at] != b"\0":
            name, at = name + voice.languages[at], at + 1
        found.append(name.decode())
        at += 1
    return found


def voices(lib: ctypes.CDLL) -> dict[str, Any]:
    """The identifier of the best voice of each language, and the variants of timbre."""
    languages: dict[str, tuple[int, int, str]] = {}
    timbres = set()
    only_variants = Voice(languages=ctypes.create_string_buffer(b"variant"))
    for wish in (None, ctypes.byref(only_variants)):
        rows = lib.espeak_ListVoices(wish)
        at = 0
        while rows[at]:
            identifier = (rows[at].contents.identifier or b"").decode()
            if wish:
                timbres.add(identifier.split("/")[-1])
            elif not identifier.startswith("mb"):  # these need voices of another program
                for place, name in enumerate(names(rows[at].contents)):
                    offer = (place, len(identifier), identifier)
                    languages[name] = min(offer, languages.get(name, offer))
            at += 1
    best = {name: identifier for name, (_, _, identifier) in sorted(languages.items())}
    return {"languages": best, "timbres": sorted(timbres)}


def speak(lib: ctypes.CDLL, request: dict[str, Any]) -> tuple[bytes, list[tuple[int, str]]]:
    """Samples, int16, and the marks (sample, IPA) of the phones."""
    samples = bytearray()
    marks: list[tuple[int, str]] = []

    def heard(wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            samples.extend(ctypes.string_at(wave, 2 * count))
        at = 0
        while events[at].type != LIST_ENDS:
            if events[at].type == PHONE:
                # eight bytes at most: a longer name may be cut inside a letter
                marks.append((events[at].sample, events[at].id.string.decode("utf-8", "ignore")))
            at += 1
        return 0

    # breath is noise, which would else be another one each second
    lib.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    lib.espeak_ng_SetRandSeed(1)
    callback = Callback(heard)
    lib.espeak_SetSynthCallback(callback)
    if lib.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        fail(f"it has no voice {request['voice']!r}")
    for number, name in ((RATE, "rate"), (PITCH, "pitch"), (RANGE, "range")):
        lib.espeak_SetParameter(number, request[name], 0)
    text = request["text"].encode()
    lib.espeak_Synth(text, len(text) + 1, 0, 0, 0, UTF8, None, None)
    return bytes(samples), marks


def answer(request: dict[str, Any]) -> bytes:
    """Speaks request["text"], or lists the voices where there is none."""
    lib, rate = load(request["library"], request["data"])
    if "text" not in request:
        return json.dumps(voices(lib)).encode()
    samples, marks = speak(lib, request)
    return json.dumps({"rate": rate, "marks": marks}).encode() + b"\n" + samples


if __name__ == "__main__":
    sys.stdout.buffer.write(answer(json.load(sys.stdin)))
