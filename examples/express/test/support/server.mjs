// The server as it is run, in a process of its own with a new directory; and browsers that keep its cookies.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../server.mjs", import.meta.url));
export const SECRET = "a secret of more than thirty-two characters";

export function run(environment) {
  const env = { ...process.env, ADDR: "127.0.0.1:0", SESSION_SECRET: SECRET, ...environment };
  return spawn(process.execPath, [PROGRAM], { env, stdio: ["ignore", "pipe", "pipe"] });
}

export async function serve(t, environment = {}) {
  const directory = mkdtempSync(join(tmpdir(), "sessile-express-"));
  let child;
  const server = {
    async start() {
      child = run({ SESSILE_DIR: join(directory, "sessions"), ...environment });
      child.stderr.pipe(process.stderr);
      const [line] = await once(child.stdout, "data");
      server.address = String(line).trim().slice("listening on ".length);
    },
    async end(signal) {
      const ended = once(child, "exit");
      child.kill(signal);
      return (await ended)[0];
    },
  };
  await server.start();
  t.after(() => {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  return server;
}

export function browser(server, headers = {}) {
  const jar = new Map();
  const visit = async (path, form) => {
    const answer = await fetch(new URL(path, server.address), {
      method: form ? "POST" : "GET",
      body: form && new URLSearchParams(form),
      headers: { ...headers, cookie: browser.cookie },
      redirect: "manual",
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value) jar.set(name, value);
      else jar.delete(name);
      browser.line = line;
    }
    browser.cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    return answer;
  };
  const browser = { visit, cookie: "", line: "", me: async () => (await visit("/me")).json() };
  return browser;
}
