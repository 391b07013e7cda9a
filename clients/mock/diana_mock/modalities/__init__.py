"""What each kind of device makes."""
