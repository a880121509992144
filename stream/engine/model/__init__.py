"""Speech models on the CPU: weights, features, tokens, decoding, word times and confidences."""
