// A contender: a store's server and the service behind it, as processes that the run talks to.
"use strict";

const { fork } = require("node:child_process");
const { join } = require("node:path");
const { processorUs } = require("./process.js");
const services = require("./services.js");
const { STORES } = require("./stores.js");

class Contender {
  #child;
  #answer;

  // Starts it, with its store in this directory.
  static async start(key, directory) {
    const contender = new Contender();
    contender.key = key;
    const { needs } = STORES[key];
    contender.service = needs ? await services.start(needs, join(directory, "service")) : null;
    const values = [key, join(directory, "store"), JSON.stringify(contender.service)];
    const child = fork(join(__dirname, "server.js"), values, {
      execArgv: ["--expose-gc"],
      env: { ...process.env, NODE_ENV: "production" },
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
    // MemoryStore warns of itself; whatever else is said is in the error.
    let said = "";
    child.stderr.on("data", (text) => (said = (said + text).slice(-4000)));
    contender.#child = child;
    child.on("message", (message) => contender.#answer(message));
    child.on("exit", (code) => contender.#answer({ failed: `the server of ${key} has ended with ${code}: ${said}` }));
    contender.port = await contender.#heard();
    return contender;
  }

  #heard() {
    return new Promise((done, failed) => {
      this.#answer = (message) => {
        this.#answer = () => {};
        if (message.failed) failed(new Error(`${this.key}: ${message.failed}`));
        else done(message.done);
      };
    });
  }

  get pid() {
    return this.#child.pid;
  }

  // Has the server do something beside answering requests.
  ask(what, values = {}) {
    const heard = this.#heard();
    this.#child.send({ ask: what, ...values });
    return heard;
  }

  // What `during` costs the server, and the service behind it.
  async measure(during) {
    const served = this.service ? processorUs(this.service.pid) : 0;
    await this.ask("begin");
    const done = await during();
    const cost = await this.ask("end");
    const serviceUs = this.service ? processorUs(this.service.pid) - served : 0;
    return { ...done, ...cost, serviceUs };
  }

  async stop() {
    const ended = new Promise((done) => this.#child.once("exit", done));
    await this.ask("close");
    await ended;
    await this.service?.stop();
  }

  // Ends what is still there, whatever state it is in.
  kill() {
    this.#child?.kill("SIGKILL");
    this.service?.stop();
  }
}

module.exports = { Contender };
