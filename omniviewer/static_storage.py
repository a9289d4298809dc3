"""Static files as they are collected: compressed, named after their content, and readable by every server."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from whitenoise.storage import CompressedManifestStaticFilesStorage


class PublicStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, whose compressed files follow FILE_UPLOAD_PERMISSIONS as Django's files do.

    WhiteNoise leaves them to the umask, which is private here: a site that runs as another user than the one that
    collected them would answer 500 for every stylesheet.
    """

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        for name, compressed in super().compress_files(paths):
            Path(self.path(compressed)).chmod(settings.FILE_UPLOAD_PERMISSIONS)
            yield name, compressed
