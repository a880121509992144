"""The checks of `niyosha doctor`: name, port, TLS, health, models, a real recognition."""
