"""Jobs and pictures in one SQLite file, which all server processes of a user share."""
