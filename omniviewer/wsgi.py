"""The WSGI entry point, for gunicorn: `gunicorn -c python:omniviewer.serving omniviewer.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

from omniviewer.private_files import keep_private

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omniviewer.settings")
keep_private()

application = get_wsgi_application()
