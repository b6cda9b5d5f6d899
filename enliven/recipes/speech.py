"""Speech to motion as it ships: half an hour of clips, two CPU cores, about two hours.

Copy this file, change what you like and give its path: enliven train my_speech.py ...
"""

from enliven.train.performer import PerformerConfig
from enliven.train.performer_set import SetConfig
from enliven.train.speech import SpeechRecipe


def recipe() -> SpeechRecipe:
    return SpeechRecipe(performer=PerformerConfig(), learned_from=SetConfig())
