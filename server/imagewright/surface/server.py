"""The server: handlers of both protocol eras over one engine, and notifications when the offer changes."""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any

import anyio
import mcp.types as t
from mcp import MCPError
from mcp.server import NotificationOptions, Server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ToolsListChanged,
)

from imagewright import __version__
from imagewright.guide.describe import instructions
from imagewright.storage.accounts import LOCAL
from imagewright.storage.states import cost_in_words
from imagewright.surface.definitions import HELPER_CLAUSES
from imagewright.surface.output import Garbage
from imagewright.surface.resources import Prompts, Resources, first_page_only
from imagewright.surface.tools import ERROR_META, REPORTED, Tools
from imagewright.text import Foreign, clip

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server import ServerRequestContext
    from mcp.server.connection import Connection
    from mcp.server.session import ServerSession
    from mcp.server.subscriptions import ServerEvent

    from imagewright.engine.engine import Engine
    from imagewright.surface.delivery import Delivery
    from imagewright.surface.tools import Heard

    Context = ServerRequestContext[Any]
    Handler = Callable[[Context, Any], Awaitable[Any]]

log = logging.getLogger(__name__)

LONGEST_PROMPT = 2000
"""Characters of a prompt in the log."""
DELIVERY = "imagewright.delivery"
"""Where a request over HTTP has its `Delivery`, in its ASGI scope."""
NEWS_SECONDS = 5.0
"""Seconds for which is waited until a client takes each piece of news that the lists have changed. Over HTTP one may
have stopped reading, and the others must not wait for it."""
CHANGES: tuple[ServerEvent, ...] = (ToolsListChanged(), ResourcesListChanged(), PromptsListChanged())
"""The news when the offer has changed."""
LEAVING = "The server is leaving; nothing is lost: what it has begun goes on, and the same call gets its pictures"


class NotifyingServer(Server[Any]):
    """A server that tells clients of the handshake era, too, that it announces changed lists."""

    def get_capabilities(
        self, notification_options: NotificationOptions | None = None, *args: Any, **named: Any
    ) -> t.ServerCapabilities:
        """As the SDK's, with every `listChanged` on; the SDK leaves them off unless asked at each entrance.

        `resources.subscribe`, which it derives from `subscriptions/listen`, is off: a picture never changes, and no
        update of a resource is ever sent.
        """
        del notification_options  # whatever the entrance asked for
        options = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        capabilities = super().get_capabilities(options, *args, **named)
        if capabilities.resources is not None:
            capabilities.resources.subscribe = False
        return capabilities


class News(InMemorySubscriptionBus):
    """Tells those that listen that a list has changed, also where that was before they began to listen.

    A client of the later era lists the tools first and listens afterwards, and must not miss a change in between. Over
    HTTP it is not known which client asked for a list. Whoever begins to listen there is told of each list that has
    ever changed, and may ask for one that it has already.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unseen: set[ServerEvent] = set()
        """Which lists have changed since the client asked for them."""

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """As the SDK's. What the listener is told at once, the SDK sends behind its acknowledgement."""
        unsubscribe = super().subscribe(listener)
        for event in CHANGES:
            if event in self._unseen:
                listener(event)
        return unsubscribe

    async def publish(self, event: ServerEvent) -> None:
        """As the SDK's; remembered for those that listen later."""
        self._unseen.add(event)
        await super().publish(event)

    def seen_by(self, handler: Handler, event: ServerEvent) -> Handler:
        """The handler of a list, after which its client knows of all changes so far."""

        @wraps(handler)
        async def seeing(ctx: Context, params: Any) -> Any:
            if ctx.request is not None:  # over HTTP there may be others
                return await handler(ctx, params)
            changed = self._unseen & {event}
            self._unseen -= changed
            try:
                return await handler(ctx, params)
            except BaseException:  # it was refused, or its client did not wait for it
                self._unseen |= changed
                raise

        return seeing


class McpServer:
    """One server over one engine, which is open for as long as the server runs.

    Args:
        engine: whose offer is served.
        tools: makes the tools; resources and prompts likewise. A server may have more than the product's.
    """

    server: NotifyingServer
    """The SDK's low-level server, ready to run on any transport."""

    def __init__(
        self,
        engine: Engine,
        *,
        tools: Callable[[Engine, Heard], Tools] = Tools,
        resources: Callable[[Engine], Resources] = Resources,
        prompts: Callable[[Engine], Prompts] = Prompts,
    ) -> None:
        self._engine = engine
        self._news = News()
        self._listening = ListenHandler(self._news)
        self._garbage = Garbage()
        self._sessions: dict[Connection, ServerSession] = {}
        """By connection: the SDK makes a session anew for each message."""
        self._late: set[Connection] = set()
        """Those of them that the lists have changed for, and that may not have listened then."""
        self._tools = tools(engine, _heard)
        self._resources = resources(engine)
        pages = prompts(engine)
        self.server = NotifyingServer(
            "imagewright",
            title="Imagewright",
            version=__version__,
            instructions=self._instructions(),
            on_list_tools=_guarded(self._news.seen_by(self._list_tools, ToolsListChanged())),
            on_call_tool=self._call_tool,
            get_tool_input_schema=self._tools.input_schema,
            on_list_resources=_guarded(self._news.seen_by(self._resources.listed, ResourcesListChanged())),
            on_list_resource_templates=_guarded(self._resources.templates),
            on_read_resource=_guarded(self._resources.read),
            on_list_prompts=_guarded(self._news.seen_by(pages.listed, PromptsListChanged())),
            on_get_prompt=_guarded(pages.get),
            on_completion=_guarded(pages.complete),
            on_subscriptions_listen=self._listening,
        )
        self.server.add_notification_handler("notifications/initialized", t.NotificationParams, self._joined)

    def wait_for(self, room: Callable[[], Awaitable[None]]) -> None:
        """Read no large file before `room` returns: the client has not read what was sent before."""
        self._resources.room = room

    def stop(self) -> None:
        """Begin no call any more, not even one that the SDK has read already."""
        self.server.add_request_handler("tools/call", t.CallToolRequestParams, _too_late)

    def end_streams(self) -> None:
        """Tell those that listen for changes that there will be no more, as the later era has it."""
        self._listening.close()

    async def offer_changed(self) -> None:
        """Renew the instructions and tell every client, of either era, that the lists have changed."""
        self.server.instructions = self._instructions()
        for event in CHANGES:
            await self._news.publish(event)
        self._late.update(self._sessions)
        async with anyio.create_task_group() as group:
            for connection, session in list(self._sessions.items()):
                group.start_soon(self._send_news, connection, session)

    async def begins_to_listen(self, session_id: str) -> None:
        """Tell a client of the handshake era over HTTP, which listens from now on, of what has changed before.

        The SDK keeps no news for a session that has no stream to listen on.
        """
        for connection in [*self._late]:
            if connection.session_id == session_id and connection in self._sessions:
                self._late.discard(connection)
                await self._send_news(connection, self._sessions[connection])

    async def _send_news(self, connection: Connection, session: ServerSession) -> None:
        """To a client of the handshake era. What cannot be handed on is left out: the next news says the same."""
        news = (session.send_tool_list_changed, session.send_resource_list_changed, session.send_prompt_list_changed)
        for send in news:
            with anyio.move_on_after(NEWS_SECONDS):
                try:
                    await send()
                except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                    self._forget(connection)

    def _instructions(self) -> str:
        offer = self._engine.offer
        helpers = {name: HELPER_CLAUSES[name] for name in offer.helpers}
        return instructions(offer.rows, offline_only=offer.offline_only, helpers=helpers)

    async def _list_tools(self, _ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListToolsResult:
        first_page_only(params)
        return t.ListToolsResult(tools=self._tools.listed())

    async def _call_tool(
        self, ctx: Context, params: t.CallToolRequestParams
    ) -> t.CallToolResult | t.InputRequiredResult:
        """One call, with a line in the log that says how it ended."""
        began = anyio.current_time()
        reply = None
        with anyio.CancelScope() as scope:
            if (delivery := _delivery(ctx)) is not None:
                delivery.wait_in(scope)
            try:
                reply = await self._tools.call(ctx, params)
            except anyio.get_cancelled_exc_class():
                log.info("call %s: the client left after %.1f s", clip(params.name), anyio.current_time() - began)
                self._garbage.collect_soon()
                raise
        if reply is None:  # over HTTP: its client has hung up, or the server is asked to leave
            raise MCPError(t.CONNECTION_CLOSED, LEAVING)
        if log.isEnabledFor(logging.INFO):
            log.info("call %s: %s", clip(params.name), await self._outcome(params, reply, anyio.current_time() - began))
        from imagewright.surface.client_facts import suited  # noqa: PLC0415 - no list of tools needs it

        return suited(ctx, reply)

    async def _outcome(
        self, params: t.CallToolRequestParams, reply: t.CallToolResult | t.InputRequiredResult, took: float
    ) -> str:
        """What became of a call, in one line without the prompt, unless the user wants that."""
        words, job = "answered", None
        if isinstance(reply, t.InputRequiredResult):
            words = "the user is asked about the price"
        else:
            error = (reply.meta or {}).get(ERROR_META, {})
            made = reply.structured_content or {}
            named = error.get("job_id") or made.get("job_id") or next(iter(made.get("jobs") or [{}])).get("job_id")
            job = await self._engine.find(LOCAL, named) if named else None
            words = str(error.get("kind", words))
        if job is not None:
            record = job.record
            cost = cost_in_words(record.cost_usd, record.cost_basis)
            reason = f" ({words})" if words != "answered" else ""
            words = f"{job.id} {record.state}{reason} by {record.provider}, {cost}"
        prompt = (params.arguments or {}).get("prompt")
        if self._engine.settings.log_prompts and prompt:
            words += f", prompt {Foreign(str(prompt)).quoted(LONGEST_PROMPT)}"
        return f"{words}, {took:.1f} s"

    async def _joined(self, ctx: Context, _params: t.NotificationParams | None) -> None:
        connection = ctx.session._connection  # noqa: SLF001 - see below
        if connection not in self._sessions:
            self._sessions[connection] = ctx.session
            # a dead session does not raise on send: without this, every connection would be remembered for ever.
            # The SDK has no public hook for the end of a connection.
            connection.exit_stack.callback(self._forget, connection)

    def _forget(self, connection: Connection) -> None:
        self._sessions.pop(connection, None)
        self._late.discard(connection)


def _delivery(ctx: Context) -> Delivery | None:
    """How the answer to a request is written over HTTP; None over standard output."""
    return None if ctx.request is None else ctx.request.scope.get(DELIVERY)


async def _heard(ctx: Context, note: Callable[[], Awaitable[None]]) -> None:
    """Note that an answer was heard: at once, or over HTTP when it is written, as a client can hang up before."""
    if (delivery := _delivery(ctx)) is None:
        await note()
    else:
        delivery.when_written(note)


async def _too_late(_ctx: Context, _params: t.CallToolRequestParams) -> t.CallToolResult:
    raise MCPError(t.CONNECTION_CLOSED, "The server is leaving; nothing was begun")


def _guarded(handler: Handler) -> Handler:
    """The handler, whose faults are reported without their words: the SDK would show them to older clients."""

    @wraps(handler)
    async def guarded(ctx: Context, params: Any) -> Any:
        try:
            return await handler(ctx, params)
        except MCPError:
            raise
        except Exception as error:
            log.exception("%s broke", ctx.method)
            raise MCPError(t.INTERNAL_ERROR, REPORTED) from error

    return guarded
