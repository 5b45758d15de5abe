"""What a person configured: invoke.yaml, environment files, variables, secrets."""
