// Vercel's AI SDK: @ai-sdk/mcp, with what its tools hand to the model.
import { run } from "./common.mjs";

const [{ createMCPClient, experimental_createMCPClient, ElicitationRequestSchema }, { Experimental_StdioMCPTransport }] =
  await Promise.all([import("@ai-sdk/mcp"), import("@ai-sdk/mcp/mcp-stdio")]);
const create = createMCPClient ?? experimental_createMCPClient;
const ANSWERS = { accept: { action: "accept", content: { agree: true } }, decline: { action: "decline" } };

async function open({ command, args, env }, { answer }) {
  const client = await create({
    transport: new Experimental_StdioMCPTransport({ command, args, env }),
    ...(answer in ANSWERS ? { capabilities: { elicitation: {} } } : {}),
  });
  if (answer in ANSWERS) client.onElicitationRequest(ElicitationRequestSchema, async () => ANSWERS[answer]);
  const offered = await client.tools();
  return {
    era: client.initializeResult?.protocolVersion ?? "",
    tools: async () => (await client.listTools()).tools,
    async call(name, args, { signal } = {}) {
      const tool = offered[name];
      const output = await tool.execute(args, { toolCallId: "call", messages: [], abortSignal: signal });
      const parts = (await tool.toModelOutput({ output, input: args, toolCallId: "call" })).value;
      return {
        text: parts.filter((part) => part.type === "text").map((part) => part.text).join("\n"),
        // 2.x: a file; 1.x: media
        pictures: parts
          .filter((part) => (part.mediaType ?? "").startsWith("image/"))
          .map((part) => part.data.data ?? part.data),
        failed: output.isError === true,
        structured: output.structuredContent,
      };
    },
    read: async (uri) => (await client.readResource({ uri })).contents.map((one) => one.text).join("\n"),
    prompt: async (name, args) => {
      const get = (client.getPrompt ?? client.experimental_getPrompt).bind(client);
      return (await get({ name, arguments: args })).messages.map((message) => message.content.text).join("\n");
    },
    complete: async (name, argument, value) =>
      (await client.complete({ ref: { type: "ref/prompt", name }, argument: { name: argument, value } })).completion.values,
    close: () => client.close(),
  };
}

await run({ open, lacks: { progress: "its tools take no handler for progress" } });
