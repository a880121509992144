"""The command `niyosha mic`: live captions of a microphone in the terminal."""
