"""The emotions a face can display while it speaks."""

EMOTIONS = ("happy", "sad", "angry", "surprised", "afraid", "disgusted")
