"""What the tests of several areas share: emulated vendors at work, real servers, pictures, tables of faults."""
