"""No form of this site takes a file: one that is sent all the same is not read, nor written to disk."""

from typing import NoReturn

from django.core.files.uploadhandler import FileUploadHandler, StopUpload


class Refuse(FileUploadHandler):
    def new_file(self, *_: object, **__: object) -> NoReturn:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Do nothing: no data is ever passed on."""

    def file_complete(self, file_size: int) -> None:
        """Do nothing: no file is ever completed."""
