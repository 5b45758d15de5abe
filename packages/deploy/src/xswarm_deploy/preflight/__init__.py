"""What ``inv check`` looks at, a module a group; each gives its probes."""
