"""How much callers may have: streams at once, handshakes in a second, minutes of audio in a day."""
