"""Jobs and pictures in one SQLite file, which all server processes of a user share. Importing this loads sqlite3."""

from imagewright.storage.sqlite.database import Database
from imagewright.storage.sqlite.jobs import SqliteJobStore
from imagewright.storage.sqlite.pictures import SqlitePictureIndex
from imagewright.storage.sqlite.writer import Writer

__all__ = ["Database", "SqliteJobStore", "SqlitePictureIndex", "Writer"]
