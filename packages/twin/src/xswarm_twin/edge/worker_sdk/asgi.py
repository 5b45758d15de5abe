"""The adapter under its old name: ``import asgi`` is ``from workers import asgi``."""

import sys

from workers import asgi

sys.modules[__name__] = asgi
