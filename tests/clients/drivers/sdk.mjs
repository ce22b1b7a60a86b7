// The official SDK, both lines: @modelcontextprotocol/sdk 1.x, and @modelcontextprotocol/client 2.x.
import { drive, run } from "./common.mjs";

const isFirst = drive.options.line === 1;
const { Client, StdioClientTransport, StreamableHTTPClientTransport, ElicitRequestSchema } = isFirst
  ? await first()
  : await second();

async function first() {
  const [{ Client }, { StdioClientTransport }, { StreamableHTTPClientTransport }, { ElicitRequestSchema }] =
    await Promise.all([
      import("@modelcontextprotocol/sdk/client/index.js"),
      import("@modelcontextprotocol/sdk/client/stdio.js"),
      import("@modelcontextprotocol/sdk/client/streamableHttp.js"),
      import("@modelcontextprotocol/sdk/types.js"),
    ]);
  return { Client, StdioClientTransport, StreamableHTTPClientTransport, ElicitRequestSchema };
}

async function second() {
  const [{ Client, StreamableHTTPClientTransport }, { StdioClientTransport }] = await Promise.all([
    import("@modelcontextprotocol/client"),
    import("@modelcontextprotocol/client/stdio"),
  ]);
  return { Client, StdioClientTransport, StreamableHTTPClientTransport, ElicitRequestSchema: "elicitation/create" };
}

const ANSWERS = { accept: { action: "accept", content: { agree: true } }, decline: { action: "decline" } };

function overHttp({ url, token }) {
  const headers = { Authorization: `Bearer ${token}` };
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

async function open({ command, args, env }, { answer, changed }) {
  let notice;
  changed?.((done) => {
    notice = done;
  });
  const options = {
    capabilities: answer in ANSWERS ? { elicitation: {} } : {},
    ...(changed ? { listChanged: { tools: { onChanged: (error, tools) => !error && tools && notice() } } } : {}),
    ...(drive.options.negotiation ? { versionNegotiation: { mode: drive.options.negotiation } } : {}),
  };
  const client = new Client({ name: "clients-table", version: "1" }, options);
  if (answer in ANSWERS) client.setRequestHandler(ElicitRequestSchema, async () => ANSWERS[answer]);
  await client.connect(drive.http ? overHttp(drive.http) : new StdioClientTransport({ command, args, env }));
  const texts = (content) => content.filter((one) => one.type === "text").map((one) => one.text).join("\n");
  return {
    era: client.getNegotiatedProtocolVersion?.() ?? "",
    tools: async () => (await client.listTools()).tools,
    async call(name, args, { signal, progress } = {}) {
      const params = { name, arguments: args };
      const options = { signal, onprogress: progress };
      const result = await (isFirst ? client.callTool(params, undefined, options) : client.callTool(params, options));
      return {
        text: texts(result.content),
        pictures: result.content.filter((one) => one.type === "image").map((one) => one.data),
        failed: result.isError === true,
        structured: result.structuredContent,
      };
    },
    read: async (uri) => (await client.readResource({ uri })).contents.map((one) => one.text).join("\n"),
    prompt: async (name, args) =>
      texts((await client.getPrompt({ name, arguments: args })).messages.map((message) => message.content)),
    async complete(prompt, argument, value) {
      const ref = { type: "ref/prompt", name: prompt };
      return (await client.complete({ ref, argument: { name: argument, value } })).completion.values;
    },
    close: () => client.close(),
  };
}

await run({ open });
