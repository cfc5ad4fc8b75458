// What the environment says, looked at before anything is opened: a server with a weak secret does not start.

const { ADDR = "127.0.0.1:3000", IDLE_SECONDS = "1800", LOGIN_SECONDS = "600", SESSILE_DIR = "sessions", SESSION_SECRET = "" } = process.env;
const SECRET_LENGTH = 32;

function refuse(why) {
  console.error(`not started: ${why}`);
  process.exit(1);
}

if (SESSION_SECRET.length < SECRET_LENGTH) {
  const found = SESSION_SECRET ? `has ${SESSION_SECRET.length} characters` : "is not set";
  refuse(`SESSION_SECRET ${found}, and who guesses it can forge cookies. It needs ${SECRET_LENGTH}, and the same ones at each start: openssl rand -hex 32`);
}
const [, host, port] = /^(.+):(\d+)$/.exec(ADDR) ?? refuse(`ADDR must be like 127.0.0.1:3000, and is ${ADDR}`);
for (const [name, value] of Object.entries({ IDLE_SECONDS, LOGIN_SECONDS })) {
  if (!(Number(value) > 0)) refuse(`${name} must be a number of seconds, and is ${value}`);
}

export const settings = {
  host,
  port: Number(port),
  directory: SESSILE_DIR,
  secret: SESSION_SECRET,
  idle: Number(IDLE_SECONDS) * 1000,
  // How long a login at a provider may take: ten minutes.
  login: Number(LOGIN_SECONDS) * 1000,
  absolute: 12 * 60 * 60 * 1000,
  // Behind a proxy that speaks HTTPS.
  production: process.env.NODE_ENV === "production",
};
