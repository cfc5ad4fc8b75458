// A server with the page in ../web in a real browser: logged in through reload and kill -9, listed on two devices, logged out
// everywhere, ended when idle. Usage: node stays.mjs SERVER CHROMIUM [DIRECTORY FOR PICTURES]
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [server, executablePath, pictures] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "sessile-e2e-"));
const port = await new Promise((found) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => found(port));
  });
});
const address = `http://127.0.0.1:${port}`;
if (pictures) mkdirSync(pictures, { recursive: true });

const STOPPING_MS = 20_000; // A server that has not ended by then is killed, and has failed.

let child;
async function start(idleSeconds = 1800) {
  const env = { ...process.env, ADDR: `127.0.0.1:${port}`, SESSILE_DIR: join(directory, "sessions"), IDLE_SECONDS: `${idleSeconds}` };
  child = spawn(server, { env, stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((up, down) => {
    child.stdout.once("data", up);
    child.once("exit", (code) => down(new Error(`the server ended with ${code}`)));
  });
}
async function end(signal) {
  const ended = new Promise((done) => child.once("exit", (code) => done(code)));
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), STOPPING_MS);
  const code = await ended;
  clearTimeout(late);
  return code;
}

// A connection that has said so much and says no more, as browsers open them before they are needed.
async function silent(said) {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  await new Promise((open) => socket.once("connect", open));
  if (said) socket.write(said);
  return socket;
}

async function step(name, act) {
  await act();
  console.log(`ok - ${name}`);
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const sid = async (context) => (await context.cookies()).find((cookie) => cookie.name === "id");
const member = (page) => page.locator("#member");
const visitor = (page) => page.locator("#visitor");
const see = (what) => what.waitFor({ state: "visible", timeout: 30_000 });
const picture = (page, name) => pictures && page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });

async function logIn(page, name) {
  await page.goto(address);
  await see(visitor(page));
  await page.fill("#name", name);
  await page.click("#visitor button");
  await see(member(page));
}

let failed;
try {
  await start();
  const laptop = await browser.newContext({ colorScheme: "light" });
  const page = await laptop.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(error.message));

  await step("an id that was planted before the login is not the one after it", async () => {
    const planted = "AAAAAAAAAAAAAAAAAAAAAA";
    await laptop.addCookies([{ name: "id", value: planted, url: address }]);
    await page.goto(address);
    await picture(page, "visitor-light");
    await logIn(page, "Ada");
    const cookie = await sid(laptop);
    assert.notEqual(cookie.value, planted);
    const again = cookie.value;
    // Not from the page: its socket ends with the old session, and what it then asks would race with the new cookie.
    await page.goto("about:blank");
    await laptop.request.post(`${address}/login`, { form: { name: "Ada" } });
    assert.notEqual((await sid(laptop)).value, again, "another login is another id");
    await page.goto(address);
    await see(member(page));
  });
  await step("the cookie has its flags", async () => {
    const cookie = await sid(laptop);
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Lax", "/"]);
    assert.ok(cookie.expires > Date.now() / 1000 + 1700);
    assert.equal(await page.evaluate(() => document.cookie), "", "no script can read it");
  });
  await step("a reload finds the same session", async () => {
    const before = (await sid(laptop)).value;
    await page.reload();
    await see(member(page));
    assert.equal((await sid(laptop)).value, before);
  });
  await step("use moves the one deadline and not the other", async () => {
    const me = async () => (await laptop.request.get(`${address}/me`)).json();
    const before = await me();
    assert.equal(before.absolute - before.since, 12 * 3600 * 1000);
    await new Promise((done) => setTimeout(done, 20));
    await me(); // A request is told what those before it have moved.
    const after = await me();
    assert.ok(after.idle > before.idle, `${after.idle} after ${before.idle}`);
    assert.equal(after.absolute, before.absolute);
  });
  await step("kill -9 and a new server: still logged in", async () => {
    await end("SIGKILL");
    await start();
    await page.reload();
    await see(member(page));
    assert.equal(await page.textContent("#user"), "Ada");
    await see(page.locator('#live[data-state="on"]'));
    await picture(page, "member-light");
  });

  const phone = await browser.newContext({ colorScheme: "dark", viewport: { width: 360, height: 740 }, userAgent: "A phone" });
  const second = await phone.newPage();
  await step("a second browser is listed", async () => {
    await logIn(second, "Ada");
    await second.locator("#devices li").nth(1).waitFor({ timeout: 30_000 });
    await page.locator("#devices li", { hasText: "A phone" }).waitFor({ timeout: 30_000 });
    await see(second.locator('#live[data-state="on"]'));
    const width = await second.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 360, `the page is ${width} wide on a phone of 360`);
    await picture(second, "member-dark-phone");
  });
  await step("a clean stop with open sockets loses nobody", async () => {
    assert.equal(await end("SIGTERM"), 0, "the sockets were closed, nobody waited for them to be");
    await start();
    for (const each of [page, second]) await see(each.locator('#live[data-state="on"]')); // It connects again by itself.
    assert.equal(await second.locator("#devices li").count(), 2);
  });
  await step("a clean stop waits for nobody who says nothing", async () => {
    const sockets = [await silent(), await silent("GET / HTTP/1.1\r\nhost:")];
    assert.equal(await end("SIGTERM"), 0, "connections without a request were closed");
    sockets.forEach((socket) => socket.destroy());
    await start();
    for (const each of [page, second]) await see(each.locator('#live[data-state="on"]'));
  });
  await step("a handle ends no session of somebody else", async () => {
    const stranger = await browser.newContext();
    await stranger.request.post(`${address}/login`, { form: { name: "Mallory" } });
    const { devices } = await (await laptop.request.get(`${address}/me`)).json();
    for (const { handle } of devices) await stranger.request.post(`${address}/devices/end`, { form: { handle } });
    assert.equal((await (await laptop.request.get(`${address}/me`)).json()).devices.length, 2);
    await stranger.close();
  });
  await step("ending one device leaves the other", async () => {
    await page.locator("#devices li", { hasText: "A phone" }).locator("button").click();
    await see(second.locator("#notice", { hasText: "Your session was ended." }));
    await see(visitor(second));
    await see(page.locator("#devices li", { hasText: "(this one)" }));
    assert.equal(await page.locator("#devices li").count(), 1);
    await logIn(second, "Ada");
    await see(second.locator('#live[data-state="on"]'));
  });
  await step("log out everywhere ends the second too, at once", async () => {
    await page.click("text=Log out everywhere");
    await see(visitor(page));
    await see(second.locator("#notice", { hasText: "Your session was ended." }));
    await see(visitor(second));
    await picture(second, "ended-dark-phone");
    await second.reload();
    await see(visitor(second));
    await end("SIGKILL");
    await start();
    await second.reload();
    await see(visitor(second));
  });
  await step("an idle session ends", async () => {
    assert.equal(await end("SIGTERM"), 0, "it stops cleanly with sockets open");
    await start(5);
    await logIn(page, "Ada");
    await see(page.locator("#notice", { hasText: "Your session was ended." }));
    await see(visitor(page));
  });
  await step("nothing went wrong in the page", () => assert.deepEqual(wrong, []));
  assert.equal(await end("SIGTERM"), 0);
} catch (error) {
  failed = error;
} finally {
  await browser.close();
  child?.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
}
if (failed) throw failed;
