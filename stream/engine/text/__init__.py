"""From hypotheses to text: transcripts, phrase correction, repetition and profanity filters."""
