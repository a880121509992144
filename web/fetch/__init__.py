"""The download of audio from a URI that a client gives."""
