// genkit with @genkit-ai/mcp: what a model of genkit's own interface is sent, by a model that makes one call and stops.
import { drive, run } from "./common.mjs";

const [{ genkit }, { createMcpClient }] = await Promise.all([import("genkit"), import("@genkit-ai/mcp")]);
const NAME = "imagewright";
const ai = genkit({});
let turn;
ai.defineModel({ name: "one-call", supports: { tools: true, multiturn: true, media: true } }, async ({ messages }) => {
  const answers = messages.flatMap((message) => message.content).filter((part) => part.toolResponse);
  turn.result = answers.at(-1);
  const content = turn.result ? [{ text: "done" }] : [{ toolRequest: turn.request }];
  return { message: { role: "model", content }, finishReason: "stop" };
});
let number = 0;

async function open({ command, args, env }) {
  const multipart = drive.options.multipart === true;
  const client = createMcpClient({ name: `${NAME}${++number}`, serverName: NAME, mcpServer: { command, args, env }, multipart });
  await client.ready();
  return {
    async tools() {
      const tools = await client.getActiveTools(ai);
      // genkit's own tools do not keep the output schema
      const { tools: raw } = await client.mcpClient.listTools();
      const schemas = Object.fromEntries(raw.map((tool) => [tool.name, tool.outputSchema]));
      const names = tools.map((tool) => tool.__action.name.split("/").at(-1));
      return names.map((name) => ({ name, outputSchema: schemas[name] }));
    },
    async call(name, input, { signal } = {}) {
      turn = { request: { name, ref: "call", input } };
      const tools = await client.getActiveTools(ai);
      await ai.generate({ model: "one-call", prompt: "go on", tools, abortSignal: signal });
      const { output, content = [] } = turn.result.toolResponse;
      return {
        text: [typeof output === "string" ? output : JSON.stringify(output), ...content.map((part) => part.text ?? "")].join("\n"),
        pictures: content.filter((part) => part.media).map((part) => part.media.url.split(",").at(-1)),
        failed: output?.error !== undefined || undefined,
        structured: output?.job_id ? output : undefined,
      };
    },
    async read(uri) {
      const resources = await client.getActiveResources(ai);
      for (const resource of resources) {
        if (resource.matches({ uri })) return JSON.stringify(await resource({ uri }));
      }
      throw new Error(`no resource ${uri}`);
    },
    async prompt(name, args) {
      const prompt = await client.getPrompt(ai, name);
      return JSON.stringify(await prompt.render(args));
    },
    close: () => client._disconnect(),
  };
}

const lacks = {
  completion: "it has no method for it",
  progress: "its tools take no handler for progress",
  asking: true,
};
await run({ open, lacks });
