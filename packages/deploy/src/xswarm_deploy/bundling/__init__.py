"""From wrangler's configuration to everything that a release uploads."""
