"""The WSGI entry point, for gunicorn: `gunicorn -c python:omniviewer.serving omniviewer.wsgi`."""

from django.core.wsgi import get_wsgi_application

from omniviewer.starting import start

start()

application = get_wsgi_application()
