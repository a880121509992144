"""Decoding by FFmpeg's libraries (PyAV): a thread for each decoder, with bounded memory."""
