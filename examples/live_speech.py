"""A photo that speaks along while sound comes in: python examples/live_speech.py"""

from pathlib import Path

import enliven
from enliven.media.audio import read_speech

Path("out").mkdir(exist_ok=True)

portrait = enliven.load_portrait("examples/portrait.jpg")
renderer = enliven.Renderer(portrait)
live = enliven.LiveSpeech(portrait, seed=7)
sound = read_speech("examples/speech.wav").samples  # as a microphone would give it, 16 kHz mono

frames = []
for start in range(0, len(sound), 1600):
    ready = live.push(sound[start : start + 1600])
    if ready:
        print(f"heard {start / 16000:.1f} s: frames {ready[0].number} to {ready[-1].number}")
    frames += [renderer.frame(frame.values) for frame in ready]
frames += [renderer.frame(frame.values) for frame in live.finish()]
enliven.save_video("out/live_speech.mp4", frames, 25, sound="examples/speech.wav", overwrite=True)
