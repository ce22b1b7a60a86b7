// @langchain/mcp-adapters: the tool message that its tools make.
import { run } from "./common.mjs";

const { MultiServerMCPClient } = await import("@langchain/mcp-adapters");
const NAME = "imagewright";

async function open({ command, args, env }, { changed }) {
  let notice = () => {};
  changed?.((done) => {
    notice = done;
  });
  let heard = () => {};
  const client = new MultiServerMCPClient({
    mcpServers: { [NAME]: { transport: "stdio", command, args, env } },
    onProgress: (progress) => heard(progress),
    onToolsListChanged: () => notice(),
  });
  const offered = Object.fromEntries((await client.getTools()).map((tool) => [tool.name, tool]));
  return {
    tools: async () => (await (await client.getClient(NAME)).listTools()).tools,
    async call(name, args, { signal, progress } = {}) {
      heard = progress ?? (() => {});
      const message = await offered[name].invoke({ type: "tool_call", id: "call", name, args }, { signal });
      const blocks = typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content;
      const strange = blocks.filter((block) => !["text", "image_url", "image"].includes(block.type));
      if (strange.length) throw new Error(`blocks for the model of another kind: ${JSON.stringify(strange)}`);
      return {
        text: blocks.filter((block) => block.type === "text").map((block) => block.text).join("\n"),
        pictures: blocks.filter((block) => block.type !== "text").map((block) => base64Of(block)),
        failed: message.status === "error",
        structured: message.artifact?.find?.((one) => one.type === "mcp_structured_content")?.data,
      };
    },
    read: async (uri) => (await client.readResource(NAME, uri)).map((one) => one.text).join("\n"),
    close: () => client.close(),
  };
}

const base64Of = (block) => block.data ?? block.image_url.url.split(",")[1];

const lacks = {
  prompt: "the adapter turns tools and resources alone into LangChain's",
  completion: "the adapter has no method for it",
  asking: true,
};
await run({ open, lacks });
