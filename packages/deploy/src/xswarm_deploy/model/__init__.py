"""Plain typed data that all rooms share: changes, steps, reports; no input or output."""
