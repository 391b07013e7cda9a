"""Other people's programs, started with their defaults on loopback and ended by their process id."""
