"""What the monitoring promises, each measured once more: see __main__."""
