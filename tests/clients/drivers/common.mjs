// What every driver in JavaScript shares: where a client's packages are, what is tried, and how it is reported.
//
// A driver gives `run` a way to open a connection; a connection has, in the client's own representation, as its model
// would get it:
//
//   tools()                          [{ name, outputSchema }]
//   call(name, args, { signal, progress })   { text, pictures, failed, structured }: text in one piece, pictures as
//                                    base64, whether the client says it failed, and the structured content
//   read(uri), prompt(name, args)    text
//   complete(prompt, argument, value)   the values offered
//   close()
//
// What a client has no way to do is named in `lacks`, by ability, with the reason; what has not been tried with it, in
// `untried`.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { register } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

export const drive = JSON.parse(process.env.IMAGEWRIGHT_DRIVE);

// Packages are looked for in the environment of the client, and not beside this file.
const packages = JSON.stringify(pathToFileURL(join(drive.environment, "any.mjs")).href);
const hook = `export function resolve(name, context, next) {
  const isPackage = !/^([./]|[a-z]+:)/.test(name) && context.parentURL?.startsWith(${JSON.stringify(new URL(".", import.meta.url).href)});
  return next(name, isPackage ? { ...context, parentURL: ${packages} } : context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

const PATIENCE = drive.http ? 110_000 : 75_000; // ms for one ability
// refused by the server, and by no client's own check against the schema
const WRONG = { prompt: "a fox", images: ["img_aaaaaaaaaaaaaaaa"] };
const REFUSED = "nothing was spent";
const MARK = /img_[a-z0-9]{16}/;
const JOB = /job_[a-z0-9]{16}/;

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export function report(ability, outcome, detail = "", more = {}) {
  process.stdout.write(`${JSON.stringify({ ability, outcome, detail: String(detail).slice(0, 600), ...more })}\n`);
}

export function must(holds, problem) {
  if (!holds) throw new Error(typeof problem === "string" ? problem : JSON.stringify(problem)?.slice(0, 400));
}

export async function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what}: nothing within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

let kept = 0;
export function keepPictures(pictures) {
  must(pictures?.length, "no picture reached the client");
  return pictures.map((base64) => {
    const file = join(drive.folder, `picture-${++kept}`);
    writeFileSync(file, Buffer.from(base64, "base64"));
    return file;
  });
}

export async function paid(server) {
  return (await fetch(`${drive.paid}/${server}`)).json();
}

// Where several clients share a server, the runner switches when all of them listen.
async function toggle(way) {
  if (drive.toggle.by === "runner") {
    if (way === "off") process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
    return;
  }
  const [command, ...args] = drive.toggle[way];
  await promisify(execFile)(command, args, { env: drive.toggle.env });
}

// What a thrown refusal says, however the client wraps it.
export function spoken(error) {
  const texts = [];
  for (let one = error; one; one = one.cause) texts.push(one.message ?? String(one));
  return texts.join(" ");
}

// A call as a model would see it: a client that throws shows the text of the error.
async function attempt(connection, name, args, options) {
  try {
    return await connection.call(name, args, options);
  } catch (error) {
    return { text: spoken(error), pictures: [], failed: true, thrown: true };
  }
}

// A result with a picture: its id, and the picture itself from a client that shows any.
function arrived(seen, memory) {
  must(MARK.test(seen.text), `no picture: ${seen.text}`);
  return memory.shows ? keepPictures(seen.pictures) : [];
}

const trials = {
  async list({ connection }) {
    const names = (await connection.tools()).map((tool) => tool.name);
    must([...names].sort().join() === [...drive.tools].sort().join(), `it lists ${names}`);
    return { detail: `${names.length} tools` };
  },
  async guide({ connection }) {
    const text = connection.read
      ? await connection.read("guide://overview")
      : (await connection.call("image_guide", {})).text;
    must(text.includes("nano_banana"), text);
    return { detail: connection.read ? "resource guide://overview" : "tool image_guide", note: connection.read ? "" : "by tool" };
  },
  async prompt({ connection }) {
    const text = await connection.prompt("make_picture", { subject: "a heron at dawn" });
    must(text.includes("a heron at dawn"), text);
  },
  async completion({ connection }) {
    const values = await connection.complete("make_picture", "tool", "nano");
    must(values.includes("nano_banana"), `offered: ${values}`);
  },
  async picture({ connection, memory }) {
    const seen = await connection.call("nano_banana", { prompt: "a fox in the snow" });
    memory.seen = seen;
    must(!seen.failed, seen.text);
    const pictures = keepPictures(seen.pictures);
    memory.shows = true;
    return { pictures };
  },
  async edit({ connection, memory }) {
    const id = memory.seen?.text.match(MARK)?.[0];
    must(id, `the model is not told an id: ${memory.seen?.text}`);
    const seen = await connection.call("nano_banana", { prompt: "make it night", images: [id] });
    must(!seen.failed && seen.text.includes("edit"), seen.text);
    return { pictures: arrived(seen, memory) };
  },
  async refusal({ connection }) {
    const seen = await attempt(connection, "nano_banana", WRONG);
    must(seen.text.includes(REFUSED), `the refusal does not reach the model: ${seen.text}`);
    must(seen.failed !== false, `a refusal is taken for a success: ${seen.text}`);
    return { detail: seen.thrown ? "thrown as an error" : "a result with all of its text" };
  },
  async structured({ connection, memory }) {
    const { structured } = memory.seen ?? {};
    const schema = (await connection.tools()).find((tool) => tool.name === "nano_banana").outputSchema;
    must(structured, "no structured content reaches the client's user");
    must(schema, "the client does not keep the output schema");
    return { structured: [{ schema, value: structured }] };
  },
  async toggle({ connection, memory }) {
    const has = async () => (await connection.tools()).some((tool) => tool.name === drive.toggle.tool);
    must(await has(), `${drive.toggle.tool} is not listed to begin with`);
    const changed = memory.changed;
    await pause(500); // a client that opens a stream for notifications has it by then
    await toggle("off");
    try {
      if (changed) {
        await within(drive.http ? 90_000 : 15_000, changed, "a notification");
      } else {
        await pause(4_000);
      }
      must(!(await has()), "the list is as it was");
    } finally {
      await toggle("on");
    }
    return { note: changed ? "" : "next list" };
  },
  async progress({ open }) {
    const connection = await open("vendor");
    const seen = [];
    const result = await connection.call("nano_banana", { prompt: "a fox" }, { progress: (one) => seen.push(one) });
    must(!result.failed, result.text);
    must(seen.length >= 2, `${seen.length} notifications`);
    return { detail: "more than one notification" };
  },
  async cancel({ open }) {
    const connection = await open("vendor");
    const before = await paid("vendor");
    const controller = new AbortController();
    const call = connection.call("nano_banana", { prompt: "a cancelled fox" }, { signal: controller.signal });
    call.catch(() => {});
    for (let i = 0; i < 500 && (await paid("vendor")).begun === before.begun; i++) await pause(50);
    must((await paid("vendor")).begun > before.begun, "the call does not reach the vendor");
    controller.abort(new Error("stopped by the user"));
    await within(2_000, call, "the end of a cancelled call").then(
      (seen) => must(seen.failed, "the call ends as if nothing had been said"),
      (error) => must(!spoken(error).includes("nothing within"), spoken(error)),
    );
    const jobs = await attempt(connection, "image_job", {});
    const job = jobs.text.match(JOB)?.[0];
    must(job, `no job after the cancellation: ${jobs.text}`);
    let seen = { text: "" };
    for (let i = 0; i < 10 && !MARK.test(seen.text); i++) seen = await attempt(connection, "image_job", { job_id: job });
    must(MARK.test(seen.text), `the job of a cancelled call: ${seen.text}`);
    const after = await paid("vendor");
    must(after.charged - before.charged === 1, `paid ${after.charged - before.charged} times`);
    return { detail: "the call ends at once, the connection works on, the job goes on and is paid once" };
  },
  async price({ open, lacks, memory }) {
    const details = [];
    const answers = lacks.asking ? ["unable"] : ["accept", "decline", "unable"];
    for (const answer of answers) {
      const connection = await open("asking", { answer });
      const before = await paid("asking");
      const seen = await attempt(connection, "nano_banana", { prompt: `a dear fox, ${answer}` });
      const begun = (await paid("asking")).begun - before.begun;
      must(begun === (answer === "accept" ? 1 : 0), `${answer}: ${begun} tasks begun; ${seen.text}`);
      if (answer === "accept") arrived(seen, memory);
      else must(seen.failed !== false && /agree|confirm|declin/i.test(seen.text), `${answer}: ${seen.text}`);
      details.push(`${answer}: ${answer === "accept" ? "a picture" : "a refusal that says why"}`);
      await connection.close();
    }
    return { detail: details.join(" | "), note: lacks.asking ? "cannot ask" : "" };
  },
  // with the client's own time limit; what a model would do next is done
  async slow({ open, memory }) {
    const connection = await open("slow");
    const asked = { prompt: "a slow fox" };
    let seen = await attempt(connection, "nano_banana", asked);
    let calls = 1;
    for (; calls < 8 && !MARK.test(seen.text); calls++) {
      const job = seen.text.match(JOB)?.[0];
      seen = await (job
        ? attempt(connection, "image_job", { job_id: job })
        : attempt(connection, "nano_banana", asked));
    }
    const pictures = arrived(seen, memory);
    const { begun, charged } = await paid("slow");
    must(begun === 1 && charged === 1, `begun ${begun} times, paid ${charged} times`);
    return { pictures, detail: `call ${calls}`, note: calls > 1 ? `call ${calls}` : "" };
  },
};

const SAME = new Set(["list", "guide", "prompt", "completion", "picture", "edit", "refusal", "structured", "toggle"]);

// Try everything, and end the process: some clients keep it alive.
export async function run({ open, lacks = {}, untried = {} }) {
  const memory = {};
  const opened = [];
  const openOne = async (server, options = {}) => {
    const connection = await within(40_000, open({ ...drive.servers[server], name: server }, { answer: "unable", ...options }), "connecting");
    opened.push(connection);
    return connection;
  };
  let connection;
  let broken = "";
  try {
    connection = await openOne("plain", {
      changed: (listen) => {
        memory.changed = new Promise((done) => listen(done));
      },
    });
    report("connect", "ok", connection.era ?? "");
  } catch (error) {
    broken = spoken(error);
    report("connect", "fails", broken);
  }
  for (const [ability, trial] of Object.entries(trials)) {
    if (!drive.abilities.includes(ability)) continue;
    if (lacks[ability]) {
      report(ability, "absent", lacks[ability]);
    } else if (untried[ability]) {
      report(ability, "untried", untried[ability]);
    } else if (broken && SAME.has(ability)) {
      report(ability, "fails", `not connected: ${broken}`);
    } else {
      try {
        const found = await within(PATIENCE, trial({ connection, memory, open: openOne, lacks }), ability);
        const { detail = "", ...more } = found ?? {};
        report(ability, "ok", detail, more);
      } catch (error) {
        report(ability, "fails", spoken(error));
      }
    }
  }
  await within(10_000, Promise.allSettled(opened.map((one) => one.close())), "closing").catch(() => {});
  process.exit(0);
}
