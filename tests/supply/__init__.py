"""What comes with this package from elsewhere: its bounds, a list of it for a release, and a search for known holes."""
