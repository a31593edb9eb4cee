"""How often workers say that they are there, and after how much silence one is lost. Both in seconds."""

BEAT_SECONDS = 2.0
SILENCE_SECONDS = 60.0
