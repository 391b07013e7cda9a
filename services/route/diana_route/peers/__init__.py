"""Other services of the mesh, and what actions do there."""
