// @openai/agents: what a model of the SDK's own interface is sent, by a model that makes one call and then stops.
import { run } from "./common.mjs";

const { Agent, MCPServerStdio, Runner, Usage, getAllMcpTools } = await import("@openai/agents");

class OneCall {
  constructor(name, args) {
    this.call = { type: "function_call", callId: "call", name, arguments: JSON.stringify(args), status: "completed" };
  }

  async getResponse({ input }) {
    this.result = Array.isArray(input) ? input.find((item) => item.type === "function_call_result") : undefined;
    const ending = {
      type: "message",
      role: "assistant",
      status: "completed",
      content: [{ type: "output_text", text: "done" }],
    };
    return { usage: new Usage(), output: [this.result ? ending : this.call] };
  }
}

const runner = new Runner({ tracingDisabled: true });

async function open({ command, args, env }) {
  const server = new MCPServerStdio({ command, args, env, cacheToolsList: false });
  await server.connect();
  return {
    async tools() {
      await getAllMcpTools([server]);
      return server.listTools();
    },
    async call(name, args, { signal } = {}) {
      const model = new OneCall(name, args);
      await runner.run(new Agent({ name: "artist", model, mcpServers: [server] }), "go on", { signal });
      const parts = [model.result.output].flat();
      return {
        text: parts.map((part) => part.text ?? (typeof part === "string" ? part : "")).join("\n"),
        pictures: parts.filter((part) => part.image).map((part) => base64Of(part.image)),
      };
    },
    read: async (uri) => (await server.readResource(uri)).contents.map((one) => one.text).join("\n"),
    close: () => server.close(),
  };
}

const base64Of = (image) => (typeof image === "string" ? image : image.data ?? image.url).split(",").at(-1);

const lacks = {
  prompt: "its servers have tools and resources only",
  completion: "its servers have tools and resources only",
  progress: "it hands progress to nobody",
  structured: "the result that a model gets has the content alone",
  asking: true,
};
await run({ open, lacks });
