"""One utterance from its audio to its final: attempts, replay, retry, stall detection, assembly."""
