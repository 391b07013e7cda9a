"""Instances on their way out: what is asked for, what is proposed, a result for each (PS3.4 Annexes B, C)."""
