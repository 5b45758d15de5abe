"""The xSwarm Boss service: an ASGI application that runs inside a Python Worker."""
