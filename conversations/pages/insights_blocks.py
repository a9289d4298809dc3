"""Blocks of the insights' page, each counted when it is asked for."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils import timezone
from django.utils.functional import cached_property

from conversations.archive import insights, insights_scope, people, question_rankings
from conversations.archive.insights import Insights
from conversations.archive.insights_scope import InsightsScope
from conversations.archive.question_rankings import Rankings
from conversations.models import Owner
from conversations.pages import insights_rows, insights_tiles, list_context
from conversations.pages.insights_figures import Figures
from conversations.pages.insights_forms import InsightsQuery
from conversations.pages.insights_tables import Figure, Links
from conversations.pages.insights_tiles import Tile
from omniviewer.accounts.models import User


@dataclass
class Counts:
    """Counts of a period, and the blocks that are made of them. Raises `CannotShow` when it is first asked."""

    user: User
    query: InsightsQuery

    @cached_property
    def found(self) -> Insights:
        return insights.compute(self.user, self.query.credentials, self.query.period, self.query.asked)

    @cached_property
    def covered(self) -> dict[str, Any]:
        return list_context.progress_and_coverage(self.user, self.query.credentials, self.found.scope.walks)

    @cached_property
    def links(self) -> Links:
        return Links(self.query, self.found.scope.asked, self.found.first, self.found.last)

    @cached_property
    def tiles(self) -> list[Tile]:
        return insights_tiles.tiles(self.found, self.links)

    def block(self, name: str) -> Figure:
        """Return the block of this name, of those that `Ranked` has not."""
        match name:
            case "summary":
                return insights_tiles.summary(self.tiles, self.links.file("summary"))
            case "topics":
                return insights_rows.topics(self.found, self.links)
            case "people":
                names = _names(self.user, self.query, self.found.scope, {*self.found.owners})
                return insights_rows.people(self.found, names, self.links)
        return self._figures.hours() if name == "hours" else self._figures.over_time(name)

    @cached_property
    def _figures(self) -> Figures:
        return Figures(self.found, self.links, is_all_read=self.covered["coverage"].is_all)


@dataclass
class Ranked:
    """Single questions of a period, by rank. Raises `CannotShow` when it is first asked."""

    NAMES = ("questions", "slowest")

    user: User
    query: InsightsQuery

    @cached_property
    def scope(self) -> InsightsScope:
        return insights_scope.open(self.user, self.query.credentials, self.query.asked)

    @cached_property
    def found(self) -> Rankings:
        return question_rankings.rank(self.scope, self.query.period)

    @cached_property
    def links(self) -> Links:
        today = timezone.localdate()
        first, end = self.query.period or (date(1970, 1, 1), today + timedelta(days=1))
        return Links(self.query, self.scope.asked, first, end - timedelta(days=1))

    def block(self, name: str) -> Figure:
        if name == "questions":
            return insights_rows.questions(self.found, self.links)
        owners = {row.owner for row in self.found.slowest}
        names = _names(self.user, self.query, self.scope, owners)
        return insights_rows.slowest(self.found, names, self.links)


def _names(user: User, query: InsightsQuery, scope: InsightsScope, owners: set[Owner]) -> dict[Owner, str]:
    # Another credential than the chosen one may know more people.
    return people.names(user, owners, None if query.credential else scope.reader.tokens)
