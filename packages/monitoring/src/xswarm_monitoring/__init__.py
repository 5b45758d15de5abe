"""Health, metrics and alerts for a Worker and for the tasks; nothing but the standard library.

Mount it with :class:`xswarm_monitoring.asgi.Monitor`.
"""
