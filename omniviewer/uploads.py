"""Uploads are refused unread, and never written to disk: no form of this site takes a file."""

from typing import NoReturn

from django.core.files.uploadhandler import FileUploadHandler, StopUpload


class Refuse(FileUploadHandler):
    def new_file(self, *_: object, **__: object) -> NoReturn:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Do nothing: Django requires the method, but no data arrives."""

    def file_complete(self, file_size: int) -> None:
        """Do nothing: Django requires the method, but no file arrives."""
