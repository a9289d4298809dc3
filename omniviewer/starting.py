"""The start of each process of the site: private files, and valid settings or one sentence that says why not."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from omniviewer.private_files import keep_private


def start() -> None:
    """Load the settings. If one is wrong, print only the sentence that says so, and end the process."""
    keep_private()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omniviewer.settings")
    try:
        _ = settings.DEBUG
    except ImproperlyConfigured as error:
        sys.exit(f"Omniviewer does not start: {error}")
