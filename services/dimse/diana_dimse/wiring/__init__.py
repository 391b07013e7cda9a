"""What `__main__` puts together, a part of the door a module: settings in, working objects out."""
