"""The rules of de-identification: the standard's tables, the plan compiled from a profile, the walk of a data set."""
