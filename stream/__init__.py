"""Everything between the socket and the recognizer: audio, sessions, recognition, and the clients of the API."""
