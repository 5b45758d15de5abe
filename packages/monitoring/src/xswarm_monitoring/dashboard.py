"""The dashboard's page: one file, without a build step or anything from elsewhere.

It stands in Python, since a Worker's bundle holds Python modules. It holds no data: it
asks ``/api/metrics`` and ``/health/detailed`` for them, with the token that is typed in.
"""

from __future__ import annotations

from xswarm_monitoring.dashboard_body import BODY
from xswarm_monitoring.dashboard_script import SCRIPT
from xswarm_monitoring.dashboard_style import STYLE
from xswarm_monitoring.page import headers, source

PAGE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Status</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f'<link rel="icon" href="data:,"><style>{STYLE}</style></head>'
    f"<body>{BODY}<script>{SCRIPT}</script></body></html>\n"
)
HEADERS = headers(
    f"style-src {source(STYLE)}", f"script-src {source(SCRIPT)}", "connect-src 'self'"
)
