"""The ASGI entry point, for servers that speak it."""

import os

from django.core.asgi import get_asgi_application

from omniviewer.private_files import keep_private

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omniviewer.settings")
keep_private()

application = get_asgi_application()
