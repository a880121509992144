"""OpenAI's audio API: its requests, answers, events and errors, without I/O."""
