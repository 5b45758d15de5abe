"""What a verification looks at: one noun a file, each giving its probes."""
