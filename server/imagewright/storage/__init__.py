"""Where things are kept: which paths may be touched, pictures on disk, and the library that finds them again."""
