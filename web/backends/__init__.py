"""The recognizers that can stand behind the gateway, and the one place that chooses among them."""
