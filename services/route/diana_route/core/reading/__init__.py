"""From a file of rules to rules, or to all that is wrong with it."""

from diana_route.core.reading.reading import Reading, check_rules, examine, read_rules
from diana_route.core.reading.values import Scope

__all__ = ["Reading", "Scope", "check_rules", "examine", "read_rules"]
