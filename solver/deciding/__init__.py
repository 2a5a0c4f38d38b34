"""When the views still to come cannot change a query's two attempts any more and need not be decoded. Pure."""

from solver.deciding.exact import Case, decided
from solver.deciding.likely import RISK, StopEarly, likely, next_views
from solver.deciding.race import Coming, Race

__all__ = ["RISK", "Case", "Coming", "Race", "StopEarly", "decided", "likely", "next_views"]
