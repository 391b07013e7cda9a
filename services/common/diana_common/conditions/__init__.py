"""What is asked of an instance's header: filters, compiled to values that can be called, compared and pickled."""

from diana_common.conditions.compiling import Condition, Header, bind, compile_condition, elements
from diana_common.conditions.steps import BadPath, Step, parse_step, step_text, tag_text

__all__ = [
    "BadPath",
    "Condition",
    "Header",
    "Step",
    "bind",
    "compile_condition",
    "elements",
    "parse_step",
    "step_text",
    "tag_text",
]
