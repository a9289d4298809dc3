"""Logging configuration. Separate from logs.py because the settings are read before the modules it imports."""

from typing import Any


def configuration(level: str, *, is_development: bool) -> dict[str, Any]:
    """Return the value of Django's LOGGING."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "of_request": {"()": "omniviewer.operations.logs.OfRequest"},
            "cache_away": {"()": "omniviewer.operations.logs.CacheAway"},
        },
        "formatters": {
            "plain": {
                "()": "omniviewer.operations.logs.Scrubbed",
                "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            },
            "json": {"()": "omniviewer.operations.logs.Line"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "plain" if is_development else "json",
                "filters": ["of_request"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django_redis.cache": {"filters": ["cache_away"]},
            "gunicorn.error": {"handlers": [], "propagate": True},
            # gunicorn warns of each HEAD request, whose body it rightly leaves out.
            "gunicorn.http.wsgi": {"level": "ERROR"},
            # Lines below a warning hold the addresses of requests to Omni.
            "urllib3": {"level": "WARNING"},
            # One line for each request: in development the server's own, elsewhere omniviewer.page.
            **(
                {"omniviewer.page": {"level": "WARNING"}}
                if is_development
                else {"django.server": {"handlers": [], "level": "CRITICAL"}, "django.request": {"level": "ERROR"}}
            ),
        },
    }
