"""The ASGI entry point, for servers that speak it."""

from django.core.asgi import get_asgi_application

from omniviewer.starting import start

start()

application = get_asgi_application()
