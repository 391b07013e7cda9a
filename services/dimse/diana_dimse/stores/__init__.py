"""What the door keeps: procedure steps, commitments."""
