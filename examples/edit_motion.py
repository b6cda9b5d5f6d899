"""Change a motion before it is drawn: python examples/edit_motion.py"""

from pathlib import Path

import numpy as np

import enliven

SPEECH = "examples/speech.wav"
Path("out").mkdir(exist_ok=True)

portrait = enliven.load_portrait("examples/portrait.jpg")
motion = enliven.from_speech(SPEECH)(portrait, seed=0)

seconds = np.arange(len(motion)) / motion.fps
raised = 0.6 * np.exp(-(((seconds - 1.5) / 0.3) ** 2))  # a look of surprise after "Hello"
motion = motion.with_channels(
    browInnerUp=np.maximum(motion["browInnerUp"], raised),
    eyeWideLeft=raised,
    eyeWideRight=raised,
    gaze=0.0,  # look straight ahead throughout
)
frames = enliven.render(portrait, motion)
print(enliven.save_video("out/edited.mp4", frames, motion.fps, sound=SPEECH, overwrite=True))
