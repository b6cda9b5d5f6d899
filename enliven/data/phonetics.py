"""IPA as gestures of lips and jaw: what each letter of the phonetic alphabet does to be seen.

A vowel is described by openness, backness and rounding, a consonant by where it is made and how
(International Phonetic Association, Handbook, 1999).  Voice, nasality, tone and length leave no
trace on the lips.  What is not in the tables is taken apart by Unicode, else made neutral.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from enliven.media.espeak import PLOSIVE, Phone

# Openness 0 (close) to 1 (open), backness 0 (front) to 1 (back), rounding 0 to 1.
VOWELS: Mapping[str, tuple[float, float, float]] = {
    "i": (0, 0, 0), "y": (0, 0, 1), "ɨ": (0, 0.5, 0), "ʉ": (0, 0.5, 1), "ɯ": (0, 1, 0),
    "u": (0, 1, 1), "ɪ": (0.15, 0.2, 0), "ʏ": (0.15, 0.2, 1), "ʊ": (0.15, 0.8, 1),
    "e": (0.33, 0, 0), "ø": (0.33, 0, 1), "ɘ": (0.33, 0.5, 0), "ɵ": (0.33, 0.5, 1),
    "ɤ": (0.33, 1, 0), "o": (0.33, 1, 1), "ə": (0.35, 0.5, 0), "ɚ": (0.35, 0.5, 0.4),
    "ɛ": (0.66, 0, 0), "œ": (0.66, 0, 1), "ɜ": (0.5, 0.5, 0), "ɝ": (0.4, 0.5, 0.4),
    "ɞ": (0.66, 0.5, 1), "ʌ": (0.66, 0.8, 0), "ɔ": (0.66, 1, 1), "æ": (0.85, 0, 0),
    "ɐ": (0.8, 0.5, 0), "a": (1, 0.3, 0), "ɶ": (1, 0, 1), "ɑ": (1, 1, 0), "ɒ": (1, 1, 0.7),
    "ᵻ": (0.15, 0.4, 0), "ᵿ": (0.15, 0.6, 1), "ɩ": (0.15, 0.2, 0), "ɷ": (0.15, 0.8, 1),
    "ı": (0, 0.8, 0), "ɿ": (0.1, 0.3, 0), "ʅ": (0.1, 0.4, 0.2), "ʮ": (0.1, 0.3, 1),
}  # fmt: skip

# Letters by what the lips, the teeth and the tip of the tongue do.
CONSONANTS: Mapping[str, str] = {
    "bilabial": "pbmɓʘʙ",
    "near": "ɸβ",  # lips nearly meet
    "labiodental": "fvɱʋⱱ",
    "dental": "θðǀ",
    "alveolar": "tdnɾrɗʈɖɳɽǃǂ",
    "lateral": "lɫɬɮɭʎʟɺǁ",
    "sibilant": "szɕʑ",
    "hushing": "ʃʒʂʐ",  # rounded and protruded, teeth nearly closed
    "rhotic": "ɹɻ",
    "palatal": "jcɟɲçʝʄ",
    "velar": "kɡgŋxɣɰɠɧ",
    "labiovelar": "wʍɥ",
    "back": "hɦqɢɴχʁʀħʕʔʜʢʡʛ",  # of uvula, pharynx and glottis: the lips are free
}
KIND = {letter: kind for kind, letters in CONSONANTS.items() for letter in letters}

PRIMARY, SECONDARY = "ˈ'", "ˌ"
ROUNDING, COMPRESSION, SPREADING = "ʷᶣ", "ᵝ", "ʲ"
UNSEEN = frozenset('ːˑ:.ʰʱʼˤˠ˞ⁿˡ‿|‖↗↘ˀˁ˥˦˧˨˩0123456789^_~-ʴʵ*!?;#`"%/[] ')
LIGATURES = {"ʦ": "ts", "ʣ": "dz", "ʧ": "tʃ", "ʤ": "dʒ", "ʨ": "tɕ", "ʥ": "dʑ", "ε": "ɛ", "γ": "ɣ"}

HALF_STRESS = 0.5
# Share of a plosive's time in which the mouth is closed; the burst and the breath follow.
CLOSED_SHARE = 0.75


@dataclass(frozen=True)
class Segment:
    """One gesture; times in seconds.

    kind: "vowel", "pause", or a key of CONSONANTS.
    released: when lips or tongue let go; `end` but for a plosive.
    openness, backness, rounding, spreading, stress: 0 to 1.
    """

    kind: str
    start: float
    end: float
    released: float
    openness: float = 0.0
    backness: float = 0.0
    rounding: float = 0.0
    spreading: float = 0.0
    stress: float = 0.0


@cache
def base_letters(ipa: str) -> tuple[tuple[str, float, float], ...]:
    """Letters of a phone that are seen, each with its rounding and spreading by diacritics."""
    found: list[tuple[str, float, float]] = []
    for letter in "".join(map(_known, unicodedata.normalize("NFC", ipa))):
        if letter in VOWELS or letter in KIND:
            found.append((letter, 0.0, 0.0))
        elif found and letter in ROUNDING + COMPRESSION:
            found[-1] = (found[-1][0], 1.0 if letter in ROUNDING else 0.5, 0.0)
        elif found and letter in SPREADING:
            found[-1] = (found[-1][0], 0.0, 1.0)
    return tuple(found)


def _known(letter: str) -> str:
    """The letter itself where it is in a table, else what it is made of."""
    if letter in VOWELS or letter in KIND or letter in ROUNDING + COMPRESSION + SPREADING:
        return letter
    if letter in LIGATURES:
        return LIGATURES[letter]
    simpler = unicodedata.normalize("NFKD", letter).lower()
    return "" if letter in UNSEEN or simpler == letter else simpler


def is_known(letter: str) -> bool:
    """Whether a letter or mark of a phone has a meaning of its own here."""
    return (
        letter in PRIMARY + SECONDARY + ROUNDING + COMPRESSION + SPREADING
        or letter in UNSEEN
        or unicodedata.combining(letter) > 0
        or any(x in VOWELS or x in KIND for x in _known(letter))
    )


def stress_of(ipa: str) -> float:
    """1, 0.5 or 0 for primary, secondary or no stress."""
    if any(mark in ipa for mark in PRIMARY):
        return 1.0
    return HALF_STRESS if SECONDARY in ipa else 0.0


def segments(phones: Iterable[Phone]) -> tuple[Segment, ...]:
    """Gestures of timed phones, in order; the parts of a diphthong or affricate share its time."""
    made: list[Segment] = []
    for ipa, start, end in phones:
        letters = base_letters(ipa)
        if not letters:
            made.append(Segment("back" if ipa.strip() else "pause", start, end, end))
        for i, letter in enumerate(letters):
            part = (end - start) / len(letters)
            made.append(_segment(letter, start + i * part, start + (i + 1) * part, stress_of(ipa)))
    return tuple(made)


def _segment(letter: tuple[str, float, float], start: float, end: float, stress: float) -> Segment:
    name, rounding, spreading = letter
    if name in VOWELS:
        openness, backness, rounded = VOWELS[name]
        return Segment("vowel", start, end, end, openness, backness, max(rounded, rounding),
                       spreading, stress)  # fmt: skip
    released = start + (end - start) * (CLOSED_SHARE if name in PLOSIVE else 1.0)
    return Segment(KIND[name], start, end, released, rounding=rounding, spreading=spreading,
                   stress=stress)  # fmt: skip
