"""De-identifies instances and studies as PS3.15 Annex E says, with a record of what was done."""
