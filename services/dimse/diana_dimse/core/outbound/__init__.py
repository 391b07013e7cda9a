"""What we ask of peers, as their user: queries, retrievals, consignments."""
