"""What we are asked to find: queries of the archive's index, and the worklist (PS3.4 Annexes C, K)."""
