"""enliven: a still portrait becomes a person who talks."""

__version__ = "0.1.0"
