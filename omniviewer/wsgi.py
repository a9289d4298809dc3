"""The WSGI entry point, for gunicorn: `gunicorn -c python:omniviewer.serving omniviewer.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omniviewer.settings")

application = get_wsgi_application()
