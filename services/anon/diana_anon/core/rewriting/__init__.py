"""One object rewritten by the rules: its bytes in, a new Part 10 file out."""
