"""The static files of a Worker's version: judged, uploaded, and named in the version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xswarm_deploy.console import in_bytes
from xswarm_deploy.services.files import RULES
from xswarm_deploy.steps import publishing

if TYPE_CHECKING:
    from xswarm_deploy.bundling.static import Static
    from xswarm_deploy.services.multipart import Upload
    from xswarm_deploy.site import Site


def attached(site: Site, upload: Upload, static: Static | None) -> Upload:
    """Upload the files Cloudflare does not have yet, and name all of them in the version.

    Args:
        site: the environment.
        upload: the Worker's code.
        static: its static files, if any.
    """
    if static is None:
        return upload

    publishing.require_public(static.files, [str(static.config.get(name, "")) for name in RULES])
    progress = in_bytes(site.progress, "assets")
    token = site.cloudflare.assets.upload(site.worker, static.files, progress)
    form = upload.without_code() if static.alone else upload
    return form.with_assets(token, static.config)
