"""Somebody's own repository: what there is in it, and the files by which it is released from."""
