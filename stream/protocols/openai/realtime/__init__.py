"""OpenAI's Realtime API for transcription: live audio in, text out, in the shapes of its GA and beta versions."""
