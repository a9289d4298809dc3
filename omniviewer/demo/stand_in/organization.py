"""The data of a stand-in Omni instance: people, tokens, conversations, jobs. No HTTP here."""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

from omniviewer.demo.stand_in.permissions import Permissions

NAMESPACE = UUID("6f6d6e69-0000-4000-8000-000000000000")
# A typical answer of Omni's takes 15 to 60 seconds.
ANSWER_TIME = timedelta(seconds=40)
# Omni keeps a job's result for this long.
RESULTS_KEPT = timedelta(days=14)


@dataclass(frozen=True)
class Member:
    """A person. `id` is the membership id: SCIM and the list's `userId` mean it, and threads as the organization says.

    Somebody with an `embed_external_id` is an embed user, whom SCIM lists elsewhere.
    """

    id: UUID
    user_id: UUID
    name: str
    email: str
    role: str = "MEMBER"
    is_active: bool = True
    embed_external_id: str = ""
    embed_email: str = ""


@dataclass(frozen=True)
class Action:
    """A step of a job. `rows` are cells as formatted for people, the first row being the header; None: no query.

    `error` of a query stands in its result, else in the action; a query that failed has no rows at all. `sections` are
    how many rows stand under each mark of a cut result: the first ones, some from the middle, the last ones.
    """

    type: str
    message: str
    query_name: str = ""
    query: dict[str, Any] | None = None
    rows: Sequence[Sequence[str]] | None = None
    total_row_count: int = 0
    was_truncated: bool = False
    status: str = "success"
    error: str | dict[str, Any] | None = None
    sections: tuple[int, int, int] | None = None
    # The action's own status, in contrast to its query's.
    outcome: str = ""
    tool: str = ""
    is_error: bool = False
    milliseconds: int | None = None
    document_id: str = ""


@dataclass
class Job:
    """The job that answered a question. `chart`: there is a chart to draw. `no_chart`: the status for a missing chart.

    422: this kind of chart has no picture; 200: the data has expired; 204: there is no chart at all.
    """

    id: UUID
    prompt: str
    created_at: datetime
    state: str = "COMPLETE"
    completed_at: datetime | None = None
    topic: str | None = None
    actions: tuple[Action, ...] = ()
    chart: bool = False
    no_chart: Literal[200, 204, 422] = 422
    branch_id: UUID | None = None
    error_code: str = "QUERY_FAILED"
    error_detail: str = "The query was stopped."
    progress: str = ""
    error: str = ""


@dataclass
class Message:
    role: str
    text: str
    created_at: datetime
    job: Job | None = None
    chat_url: str | None = None


@dataclass
class Conversation:
    id: UUID
    owner: Member
    name: str | None
    created_at: datetime
    updated_at: datetime
    messages: list[Message] = field(default_factory=list)
    # A job whose answer is still to come.
    running: Job | None = None

    @property
    def last_prompt(self) -> str:
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def jobs(self) -> list[Job]:
        jobs = [message.job for message in self.messages if message.job]
        return [*jobs, self.running] if self.running else jobs


class Organization:
    """A company on Omni. It may change while a stand-in serves it; `lock` guards that."""

    def __init__(self, name: str, *, id: UUID | None = None) -> None:  # noqa: A002  (Omni's own word)
        self.name = name
        self.id = id or uuid5(NAMESPACE, name)
        self.lock = threading.RLock()
        self.members: list[Member] = []
        # The id of a person that threads and jobs name, out of two: Omni's sources do not say which.
        self.owner_ids: Literal["membership", "user"] = "membership"
        self.demo_tokens: dict[str, str] = {}
        self.results_kept = RESULTS_KEPT
        # Refusals and wordings by route, token and time; without any, ownership alone decides.
        self.permissions = Permissions()
        self._conversations: dict[UUID, Conversation] = {}
        # None: an organization key.
        self._tokens: dict[str, Member | None] = {}
        self._numbers = itertools.count(1)
        # Scheduled answers: time, message, and new text.
        self._coming: list[tuple[datetime, Message, str]] = []

    @property
    def conversations(self) -> list[Conversation]:
        """Return the conversations, newest activity first."""
        with self.lock:
            rows = list(self._conversations.values())
        return sorted(rows, key=lambda row: (row.updated_at, row.id), reverse=True)

    def add_member(
        self,
        name: str,
        email: str,
        role: str = "MEMBER",
        *,
        id: UUID | None = None,  # noqa: A002
        is_active: bool = True,
        embed_external_id: str = "",
        embed_email: str = "",
    ) -> Member:
        made = id or uuid5(NAMESPACE, f"{self.name} member {email}")
        user_id = uuid5(NAMESPACE, f"{self.name} user {email}")
        member = Member(made, user_id, name, email, role, is_active, embed_external_id, embed_email)
        with self.lock:
            self.members.append(member)
        return member

    def owner_id(self, member: Member) -> UUID:
        """Return the id by which threads and jobs name a person."""
        return member.id if self.owner_ids == "membership" else member.user_id

    def personal_token(self, member: Member, token: str = "") -> str:
        return self._add_token(token or f"omni_pat_{self.name}_{next(self._numbers)}", member)

    def organization_key(self, token: str = "") -> str:
        return self._add_token(token or f"omni_org_{self.name}_{next(self._numbers)}", None)

    def _add_token(self, token: str, member: Member | None) -> str:
        with self.lock:
            self._tokens[token] = member
        return token

    def revoke(self, token: str) -> None:
        with self.lock:
            self._tokens.pop(token, None)

    def knows(self, token: str) -> bool:
        return token in self._tokens

    def owner_of(self, token: str) -> Member | None:
        """Return the owner of a personal token; None for an organization key. Raises KeyError for an unknown token."""
        return self._tokens[token]

    def add_conversation(
        self,
        *,
        owner: Member,
        name: str | None,
        turns: Sequence[tuple[str, str | None]],
        id: UUID | None = None,  # noqa: A002
        started_at: datetime | None = None,
        with_jobs: bool = True,
    ) -> Conversation:
        """Add a conversation of these questions and answers, each answer with a complete job; None: still running.

        Without jobs it is as one from before there were any: no job id and no link on the answers.
        """
        number = next(self._numbers)
        made = id or uuid5(NAMESPACE, f"{self.name} conversation {number}")
        # Conversations created later are newer, however fast a test creates them.
        hour_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        moment = started_at or hour_ago + timedelta(milliseconds=number)
        conversation = Conversation(made, owner, name, moment, moment)
        for question, answer in turns:
            self.ask(conversation, question, answer, at=moment)
            if answer is not None and not with_jobs:
                conversation.messages[-1].job = conversation.messages[-1].chat_url = None
            moment = conversation.updated_at + timedelta(minutes=2)
        with self.lock:
            self._conversations[made] = conversation
        return conversation

    def ask(
        self,
        conversation: Conversation,
        question: str,
        answer: str | None,
        *,
        at: datetime,
        took: timedelta = ANSWER_TIME,
        job: Job | None = None,
    ) -> Job:
        """Add a question and its answer. Without an answer, its job keeps running."""
        with self.lock:
            made = job or Job(uuid5(conversation.id, f"job {len(conversation.messages)}"), question, at)
            conversation.messages.append(Message("user", question, at))
            conversation.updated_at = at
            if answer is None:
                made.state, made.progress = "EXECUTING", made.progress or "Running a query"
                conversation.running = made
            else:
                self._answer(conversation, made, answer, at + took)
        return made

    def finish(self, conversation: Conversation, answer: str, *, at: datetime) -> Job:
        """Add the answer that was still missing, and complete its job."""
        with self.lock:
            made, conversation.running = conversation.running, None
            if made is None:
                raise ValueError("Nothing runs in this conversation.")
            made.state, made.progress = "COMPLETE", ""
            self._answer(conversation, made, answer, at)
        return made

    def finish_later(self, message: Message, text: str, *, at: datetime) -> None:
        """Schedule the text that replaces a running job's partial answer at that time."""
        self._coming.append((at, message, text))

    def hold(self) -> None:
        """Cancel all scheduled answers, so that data shared between tests does not change."""
        self._coming.clear()

    def advance(self, now: datetime) -> None:
        """Let come what is due. An answer gets the time of its end, when Omni writes it down."""
        with self.lock:
            due = [coming for coming in self._coming if coming[0] <= now]
            self._coming = [coming for coming in self._coming if coming not in due]
            for at, message, text in due:
                message.text, message.created_at = text, at
                for row in self.conversations:
                    if message in row.messages:
                        row.updated_at = max(row.updated_at, at)
                if message.job:
                    message.job.state, message.job.progress, message.job.completed_at = "COMPLETE", "", at

    def _answer(self, conversation: Conversation, job: Job, text: str, at: datetime) -> None:
        job.completed_at = at
        url = f"https://{self.name}.omni.co/chat/{conversation.id}"
        conversation.messages.append(Message("assistant", text, at, job, url))
        conversation.updated_at = at

    def remove(self, conversation_id: UUID) -> None:
        with self.lock:
            self._conversations.pop(conversation_id, None)

    def visible_to(self, token: str) -> list[Conversation]:
        """Return the conversations that this token may see, newest activity first."""
        member = self._tokens[token]
        return [row for row in self.conversations if member is None or row.owner == member]

    def conversation(self, token: str, conversation_id: UUID) -> Conversation | None:
        found = self._conversations.get(conversation_id)
        member = self._tokens[token]
        return found if found and (member is None or found.owner == member) else None

    def job(self, token: str, job_id: UUID) -> tuple[Conversation, Job] | None:
        for row in self.visible_to(token):
            for job in row.jobs:
                if job.id == job_id:
                    return row, job
        return None
