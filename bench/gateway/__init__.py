"""Benches of the gateway: latency, load, churn, failures, shutdown."""
