"""The webhooks of each provider: what there is, what is wanted, and the way there."""
