"""The movement of one face on another: python examples/retarget_video.py photo.jpg clip.mp4"""

import sys
from pathlib import Path

import enliven

photo, clip = sys.argv[1:]
Path("out").mkdir(exist_ok=True)

motion = enliven.track(clip)  # measured once, kept for any number of photos
enliven.save_motion("out/clip.npz", motion, overwrite=True)
enliven.save_motion("out/clip.csv", motion, overwrite=True)  # ARKit columns, for other tools
print(f"{len(motion)} frames, the jaw opens up to {motion['jawOpen'].max():.2f}")

portrait = enliven.load_portrait(photo)
moved = enliven.retarget(motion, portrait, "neutral")
frames = enliven.render(portrait, moved)
print(enliven.save_video("out/retarget.mp4", frames, moved.fps, sound=clip, overwrite=True))
