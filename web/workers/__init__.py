"""What the worker processes of one server share: counters, used tokens, metrics, the state of the engine."""
