"""Everything between the socket and the recognizer: audio in, one recognition stream per utterance, events out."""
