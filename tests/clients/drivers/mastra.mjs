// @mastra/mcp: its tools, and what they hand to the model.
import { run } from "./common.mjs";

const { MCPClient, getMcpCallToolContent } = await import("@mastra/mcp");
const NAME = "imagewright";
const ANSWERS = { accept: { action: "accept", content: { agree: true } }, decline: { action: "decline" } };
let number = 0;

async function open({ command, args, env }, { answer, changed }) {
  const client = new MCPClient({
    id: `table-${++number}`,
    servers: {
      [NAME]: {
        command,
        args,
        env,
        enableProgressTracking: true,
        ...(answer in ANSWERS ? { inputRequests: async () => ANSWERS[answer] } : {}),
      },
    },
  });
  let heard = () => {};
  const offered = await client.listTools();
  await client.progress.onUpdate(NAME, (progress) => heard(progress));
  if (changed && client.tools?.onListChanged) {
    changed((done) => client.tools.onListChanged(NAME, done));
  }
  return {
    tools: async () => {
      const tools = await client.listToolDefinitions();
      const found = tools[NAME]?.tools ?? tools[NAME] ?? tools;
      return Object.entries(found).map(([key, tool]) => ({ ...tool, name: tool.name ?? key }));
    },
    async call(name, args, { signal, progress } = {}) {
      heard = progress ?? (() => {});
      const tool = offered[`${NAME}_${name}`];
      const output = await tool.execute(args, { abortSignal: signal });
      const shown = tool.toModelOutput ? await tool.toModelOutput(output) : { value: output };
      const parts = [shown.value].flat();
      return {
        text: parts.map((part) => part.text ?? (typeof part === "string" ? part : JSON.stringify(part))).join("\n"),
        pictures: parts.filter((part) => (part.mediaType ?? part.mimeType ?? "").startsWith("image/")).map((part) => part.data.data ?? part.data),
        failed: output?.isError,
        structured: getMcpCallToolContent?.(output) ? output : output?.structuredContent,
      };
    },
    read: async (uri) => (await client.resources.read(NAME, uri)).contents.map((one) => one.text).join("\n"),
    prompt: async (name, args) =>
      (await client.prompts.get({ serverName: NAME, name, args })).messages.map((message) => message.content.text).join("\n"),
    close: () => client.disconnect(),
  };
}

await run({ open, lacks: { completion: "it has no method for it" } });
