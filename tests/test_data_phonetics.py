"""Letters of the phonetic alphabet as gestures: pytest tests/test_data_phonetics.py"""

import pytest

from enliven.data.phonetics import (
    CLOSED_SHARE,
    CONSONANTS,
    KIND,
    VOWELS,
    base_letters,
    is_known,
    segments,
    stress_of,
)
from enliven.media.espeak import Phone

# Every letter and mark that espeak-ng 1.52 was seen to use, over all of its languages.
SEEN = (
    '"#-.12:?ASXZ[^_`abcdefghijklmnopqrstuvwxyzäæçðøħĩŋœũɐɑɒɔɕɖɘəɛɜɟɡɣɨɪɫɬɭɯɱɲɳɴɵɸɹɻɽɾʀʁʂʃʈʉʊ'
    "ʋʌʍʎʏʐʑʒʔʕʝʦʰʲˈˌːˤ̝̞̩̪̯̺̻̃̊͡βεθχᵐᵑᵝⁿ"
)


@pytest.mark.parametrize("letter", SEEN)
def test_every_symbol_has_a_meaning(letter: str) -> None:
    assert is_known(letter)


def test_tables_do_not_overlap() -> None:
    assert not set(VOWELS) & set(KIND)
    assert sum(map(len, CONSONANTS.values())) == len(KIND)
    assert all(0 <= x <= 1 for features in VOWELS.values() for x in features)


@pytest.mark.parametrize(("ipa", "letters"), [
    ("ˈtʃ", "tʃ"), ("aɪ", "aɪ"), ("œ̃", "œ"), ("ɐ̃ʊ̃", "ɐʊ"), ("ç", "ç"), ("ʦ", "ts"),
    ("ᵐb", "mb"), ("əl", "əl"), ("ä", "a"), ("ts.h", "tsh"), ("ˌiː", "i"), ("˥˩", ""),
])  # fmt: skip
def test_phones_come_apart(ipa: str, letters: str) -> None:
    assert "".join(letter for letter, _, _ in base_letters(ipa)) == letters


def test_diacritics_round_and_spread() -> None:
    assert base_letters("kʷ") == (("k", 1.0, 0.0),)
    assert base_letters("tʃʲ")[1] == ("ʃ", 0.0, 1.0)


def test_stress() -> None:
    assert stress_of("ˈa") > stress_of("ˌa") > stress_of("a") == 0


def test_parts_share_the_time_of_their_phone() -> None:
    made = segments([Phone("", 0, 0.5), Phone("p", 0.5, 0.7), Phone("ˈaʊ", 0.7, 0.9)])
    assert [s.kind for s in made] == ["pause", "bilabial", "vowel", "vowel"]
    assert (made[2].end, made[3].start, made[3].end) == pytest.approx((0.8, 0.8, 0.9))
    assert made[1].released == pytest.approx(0.5 + 0.2 * CLOSED_SHARE)
    assert made[3].rounding == 1 > made[2].rounding
