"""C-FIND in the Modality Worklist Information Model (PS3.4 Annex K)."""

from __future__ import annotations

from diana_common.dicomjson import DataSetJson
from diana_dimse.core.queries.finding import Answers
from diana_dimse.core.queries.worklist import Worklist, find_steps
from diana_dimse.handlers.querying import serve_query
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message


class WorklistHandler:
    """Serves worklist queries of all associations."""

    def __init__(self, worklist: Worklist, most_answers: int = 0) -> None:
        """`most_answers`: how many one query gets at most; 0: no limit."""
        self._worklist, self._most_answers = worklist, most_answers

    def serve(self, session: Session, message: Message) -> None:
        """Answer one query."""
        title = session.admission.entity.title

        def ask(identifier: DataSetJson) -> Answers:
            return find_steps(self._worklist, title, identifier)

        serve_query(session, message, ask, self._most_answers)
