"""Environment, configuration file and command line, read once into one frozen `Settings`."""
