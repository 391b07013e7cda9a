"""C-FIND in the Patient Root and the Study Root Information Model."""

from __future__ import annotations

from diana_common.dicomjson import DataSetJson
from diana_dimse.core.queries.finding import Agreement, Answers, Finding
from diana_dimse.handlers.querying import serve_query
from diana_dimse.handlers.session import Session
from diana_dimse.network.association import Message


class FindHandler:
    """Serves queries of all associations."""

    def __init__(self, finding: Finding, most_answers: int = 0) -> None:
        """`most_answers`: how many one query gets at most; 0: no limit."""
        self._finding, self._most_answers = finding, most_answers

    def serve(self, session: Session, message: Message) -> None:
        """Answer one query."""
        sop_class, entity = message.context.abstract_syntax, session.admission.entity
        agreement = Agreement.of(session.association.agreed.extended.get(sop_class, b""))

        def ask(identifier: DataSetJson) -> Answers:
            return self._finding.find(sop_class, entity.store, entity.title, identifier, agreement)

        serve_query(session, message, ask, self._most_answers)
