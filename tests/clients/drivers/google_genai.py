"""Google's client library: its own MCP support, which sends a session's tools to a model and calls them.

The model is an endpoint of ours, which asks for the calls and keeps what it is sent.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import mcp.types as t
from common_client import Answer, AskingTrial, Handle, server
from google import genai
from google.genai import types
from mcp import ClientSession, StdioServerParameters, stdio_client

ANSWERS: list[dict[str, Any]] = []
"""What the model says next, without the last: `done`."""
SENT: list[dict[str, Any]] = []
"""What it was sent."""


class Model(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        SENT.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        part = ANSWERS.pop(0) if ANSWERS else {"text": "done"}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
        body = json.dumps({"candidates": [candidate]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Session(Handle):
    def __init__(self, client: Any, session: Any) -> None:
        super().__init__(client)
        self.session = session

    async def _ask(self, *parts: dict[str, Any]) -> dict[str, Any]:
        """The last request that the model was sent."""
        ANSWERS[:] = parts
        config = {"tools": [self.session]}  # not as an object: that is copied deeply, and a session cannot be
        await self.client.aio.models.generate_content(model="gemini-3-pro", contents="go", config=config)
        return SENT[-1]

    async def names(self):
        sent = await self._ask()
        return [one["name"] for tool in sent["tools"] for one in tool["functionDeclarations"]]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        sent = await self._ask({"functionCall": {"name": tool, "args": arguments}})
        parts = [part for content in sent["contents"] for part in content["parts"]]
        response = next(part["functionResponse"] for part in parts if "functionResponse" in part)
        pictures = [part["inlineData"]["data"] for part in [*parts, *response.get("parts", [])] if "inlineData" in part]
        text = re.sub(r"[A-Za-z0-9+/=]{200,}", "...", json.dumps(response["response"], ensure_ascii=False))
        return Answer(text=text.replace('\\"', '"'), pictures=pictures, refused="error" in response["response"])


@asynccontextmanager
async def connect(name: str, *, answer: str = ""):
    more = {}
    if answer:

        async def ask(_context: Any, _params: Any) -> t.ElicitResult:
            return t.ElicitResult(action=answer, content={"agree": True} if answer == "accept" else None)

        more["elicitation_callback"] = ask
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as endpoint:
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        options = types.HttpOptions(base_url=f"http://127.0.0.1:{endpoint.server_port}")
        async with (
            stdio_client(StdioServerParameters(**server(name))) as (reading, writing),
            ClientSession(reading, writing, **more) as session,
        ):
            await session.initialize()
            yield Session(genai.Client(api_key="none", http_options=options), session)
        endpoint.shutdown()


if __name__ == "__main__":
    AskingTrial(connect).main()
