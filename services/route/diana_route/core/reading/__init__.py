"""From a file of rules to rules, or to all that is wrong with it."""

from diana_route.core.reading.reading import check_rules, read_rules
from diana_route.core.reading.values import Scope

__all__ = ["Scope", "check_rules", "read_rules"]
